"""Hallucinations (said, but not there) and omissions (there, but not said) [spec 7.4]."""

from __future__ import annotations

from dataclasses import dataclass

from edgecap.bench.quality.facts import SaidClip, Statement, TrueClip, TrueInstance
from edgecap.bench.quality.matching import Matching
from edgecap.bench.quality.tally import Pooled
from edgecap.bench.quality.vocabulary import class_of, colours_in, mentions_in


@dataclass(frozen=True, slots=True)
class HallucinationCounts(Pooled):
    """`mentions`, `false_mentions`: words for objects in the sentences, and those of absent classes. `clips`,
    `clips_with_false`. `classes_true`, `classes_said`: true classes, and those of them named anywhere.
    `reported`, `unmatched`, `invented`: instances (see `Matching`). `true_instances`, `missed`.
    `colour_answers`, `leaked_colours`: colour words about matched instances; of them wrong ones that belong
    to *another* instance of the clip. `dlc_positives`: mean positive scores summed over `true_instances`;
    `dlc_negatives`: negative scores summed over the `dlc_negative_instances` that have negatives.
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
    dlc_positives: float = 0.0
    dlc_negatives: float = 0.0
    dlc_negative_instances: int = 0

    @property
    def chair_i(self) -> float:
        """Hallucinated mentions / all object mentions; 0 without mentions (report with `object_recall`)."""
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
        """Reported instances without a true partner / reported instances, doubles and fragments included. Those
        excused by an instance that never counts (`matching.match_clip`) are in neither number."""
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
        """(mean of positives + mean of negatives) / 2, -1 to 1, each mean over instances; those without negatives
        are left out of the second mean, and without any the first stands alone. A missed instance has 0 in both."""
        if not self.true_instances:
            return 0.0
        positive = self.dlc_positives / self.true_instances
        if not self.dlc_negative_instances:
            return positive
        return (positive + self.dlc_negatives / self.dlc_negative_instances) / 2


def hallucination_counts(truth: TrueClip, said: SaidClip, matching: Matching) -> HallucinationCounts:
    """Count one clip. Object words are read from the sentences: the class field is not a sentence (it has its own
    figure), and the position sentence only repeats it."""
    texts = [said.global_text, said.background_text]
    texts += [t for s in said.statements for t in (s.appearance, s.action)]
    mentions = [m for text in texts for m in mentions_in(text)]
    false = [m for m in mentions if m not in truth.classes]
    instances = {i.instance_id: i for i in truth.instances}
    partner = {s.track_id: s for s in said.statements}
    pairs = [(instances[i], partner[t]) for i, t, _ in matching.pairs]
    true_classes = {i.class_name for i in truth.instances}
    answers = leaked = 0
    for instance, statement in pairs:
        answers += len(colours_in(statement.appearance))
        leaked += len(_leaks(instance, statement, truth))
    scored = [_dlc(i, s, truth) for i, s in pairs]
    ignored_reports = len(said.statements) - len(pairs) - len(matching.unmatched)
    return HallucinationCounts(
        mentions=len(mentions),
        false_mentions=len(false),
        clips=1,
        clips_with_false=int(bool(false)),
        classes_true=len(true_classes),
        classes_said=len(true_classes & set(mentions)),
        reported=len(said.statements) - ignored_reports,
        unmatched=len(matching.unmatched),
        invented=len(matching.invented),
        true_instances=len(truth.instances),
        missed=len(matching.missed),
        colour_answers=answers,
        leaked_colours=leaked,
        dlc_positives=sum(positive for positive, _ in scored),
        dlc_negatives=sum(negative for _, negative in scored),
        dlc_negative_instances=sum(bool(_forbidden(i, truth)) for i in truth.instances),
    )


def _dlc(instance: TrueInstance, said: Statement, truth: TrueClip) -> tuple[float, float]:
    """Positive and negative score of one matched instance behind a recognition gate.

    Positive: mean over first and second colour of 1 right, 0 not said, -1 wrong. Negative: -1 where a neighbour's
    colour is claimed, else 1; 0 where no neighbour has a colour of its own. With a wrong class both are min(0, score).
    """
    colours = colours_in(said.appearance)
    true_colours = [c for c in (instance.primary_colour, instance.secondary_colour) if c is not None]
    scores = [(1 if colours[k] == c else -1) if k < len(colours) else 0 for k, c in enumerate(true_colours)]
    positive = sum(scores) / len(scores)
    negative = (-1.0 if _leaks(instance, said, truth) else 1.0) if _forbidden(instance, truth) else 0.0
    if class_of(said.class_name) != instance.class_name:
        return min(0.0, positive), min(0.0, negative)
    return positive, negative


def _leaks(instance: TrueInstance, said: Statement, truth: TrueClip) -> list[str]:
    forbidden = _forbidden(instance, truth)
    return [c for c in colours_in(said.appearance) if c in forbidden]


def _forbidden(instance: TrueInstance, truth: TrueClip) -> frozenset[str]:
    """Colours of the clip's other instances that are not its own: the salient negatives."""
    own = {instance.primary_colour, instance.secondary_colour}
    others = {c for i in truth.instances if i is not instance for c in (i.primary_colour, i.secondary_colour)}
    return frozenset(c for c in others - own if c is not None)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
