"""What was said that is not there, and what is there that was not said [spec 7.4]."""

from __future__ import annotations

from dataclasses import dataclass

from edgecap.bench.quality.facts import SaidClip, Statement, TrueClip, TrueInstance
from edgecap.bench.quality.matching import Matching
from edgecap.bench.quality.vocabulary import class_of, colours_in, mentions_in


@dataclass(frozen=True, slots=True)
class HallucinationCounts:
    """Poolable by `+`.

    `mentions`, `false_mentions`: words for objects in all texts, and those of absent classes. `clips`,
    `clips_with_false`. `classes_true`, `classes_said`: true classes, and those of them named anywhere.
    `reported`, `unmatched`, `invented`: instances (see `Matching`). `true_instances`, `missed`.
    `colour_answers`, `leaked_colours`: colour words about matched instances; of them wrong ones that belong
    to *another* instance of the clip. `dlc_sum`: DLC-S summed over `true_instances`.
    """

    mentions: int = 0
    false_mentions: int = 0
    clips: int = 0
    clips_with_false: int = 0
    classes_true: int = 0
    classes_said: int = 0
    reported: int = 0
    unmatched: int = 0
    invented: int = 0
    true_instances: int = 0
    missed: int = 0
    colour_answers: int = 0
    leaked_colours: int = 0
    dlc_sum: float = 0.0

    def __add__(self, other: HallucinationCounts) -> HallucinationCounts:
        return HallucinationCounts(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))

    @property
    def chair_i(self) -> float:
        """Hallucinated mentions / all object mentions; 0 without mentions (report beside `object_recall`)."""
        return _share(self.false_mentions, self.mentions)

    @property
    def chair_s(self) -> float:
        """Captions with at least one hallucinated object / captions."""
        return _share(self.clips_with_false, self.clips)

    @property
    def object_recall(self) -> float:
        """Share of the true classes that the caption names."""
        return _share(self.classes_said, self.classes_true)

    @property
    def hallucinated_instances(self) -> float:
        """Reported instances without a true partner / reported instances."""
        return _share(self.unmatched, self.reported)

    @property
    def invented_instances(self) -> float:
        """The part of `hallucinated_instances` with nothing at all where they were reported."""
        return _share(self.invented, self.reported)

    @property
    def omission(self) -> float:
        """True instances that were not reported / true instances."""
        return _share(self.missed, self.true_instances)

    @property
    def recall(self) -> float:
        """1 - omission; 1 where there is nothing to find."""
        return 1.0 - self.omission

    @property
    def precision(self) -> float:
        """1 - hallucinated_instances; 1 where nothing was reported."""
        return 1.0 - self.hallucinated_instances

    @property
    def leakage(self) -> float:
        """Colour words about an instance that are wrong for it but true of a neighbour / colour words."""
        return _share(self.leaked_colours, self.colour_answers)

    @property
    def dlc_s(self) -> float:
        """Mean DLC-S over true instances, -1 to 1."""
        return self.dlc_sum / self.true_instances if self.true_instances else 0.0


def hallucination_counts(truth: TrueClip, said: SaidClip, matching: Matching) -> HallucinationCounts:
    """Count one clip. Object words are read from every text of the caption, class fields included."""
    texts = [said.global_text, said.background_text]
    texts += [t for s in said.statements for t in (s.class_name, s.appearance, s.action)]
    mentions = [m for text in texts for m in mentions_in(text)]
    false = [m for m in mentions if m not in truth.classes]
    instances = {i.instance_id: i for i in truth.instances}
    partner = {s.track_id: s for s in said.statements}
    pairs = [(instances[i], partner[t]) for i, t, _ in matching.pairs]
    wanted = {i.class_name for i in truth.instances}
    answers = leaked = 0
    for instance, statement in pairs:
        answers += len(colours_in(statement.appearance))
        leaked += len(_leaks(instance, statement, truth))
    ignored_reports = len(said.statements) - len(pairs) - len(matching.unmatched)
    return HallucinationCounts(
        mentions=len(mentions),
        false_mentions=len(false),
        clips=1,
        clips_with_false=int(bool(false)),
        classes_true=len(wanted),
        classes_said=len(wanted & set(mentions)),
        reported=len(said.statements) - ignored_reports,
        unmatched=len(matching.unmatched),
        invented=len(matching.invented),
        true_instances=len(truth.instances),
        missed=len(matching.missed),
        colour_answers=answers,
        leaked_colours=leaked,
        dlc_sum=sum(_dlc(i, s, truth) for i, s in pairs),
    )


def _dlc(instance: TrueInstance, said: Statement, truth: TrueClip) -> float:
    """DLC-S of one matched instance (a missed one scores 0): the mean of positives and negatives behind a
    recognition gate.

    Positives: first and second colour, 1 right, 0 not said, -1 wrong. Negatives: 1 where no neighbour's
    colour is claimed, else -1. With a wrong class every score is min(0, score). An instance alone in its clip
    has no negatives and skips that term.
    """
    colours = colours_in(said.appearance)
    wanted = [c for c in (instance.primary_colour, instance.secondary_colour) if c is not None]
    positives = [(1 if colours[k] == c else -1) if k < len(colours) else 0 for k, c in enumerate(wanted)]
    terms = [sum(positives) / len(positives)]
    if len(truth.instances) > 1:
        terms.append(-1.0 if _leaks(instance, said, truth) else 1.0)
    if class_of(said.class_name) != instance.class_name:
        terms = [min(0.0, t) for t in terms]
    return sum(terms) / len(terms)


def _leaks(instance: TrueInstance, said: Statement, truth: TrueClip) -> list[str]:
    own = {instance.primary_colour, instance.secondary_colour}
    others = {c for i in truth.instances if i is not instance for c in (i.primary_colour, i.secondary_colour)}
    return [c for c in colours_in(said.appearance) if c not in own and c in others]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
