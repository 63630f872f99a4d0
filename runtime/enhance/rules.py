"""The enhancer without a model: steps B(I) and B(II) by rules and a seed.

In: a prompt. Out: `Enhanced`. What
the prompt says is kept word for word; what it leaves open is drawn from slots.py and scenes.py and marked as
invented. The same prompt and seed give the same caption on every machine.
"""

from __future__ import annotations

from random import Random

from edgecap.engines.errors import UsageError
from edgecap.runtime.english import capital, listed, plural
from edgecap.runtime.enhance.instances import Chosen, appearance, choose
from edgecap.runtime.enhance.parse import read
from edgecap.runtime.enhance.places import Course, beside, choose_course, position_sentence
from edgecap.runtime.enhance.plan import Enhanced, EnhancedField, EnhancedInstance, Mention, Reading, field_of
from edgecap.runtime.enhance.setting import background, camera
from edgecap.runtime.enhance.slots import still_actions
from edgecap.runtime.enhance.words.verbs import verb_forms

MOST_INSTANCES = 3
"""The method's own limit (docs/spec/instancecap.md 6)."""
LARGEST_LIMIT = 10
_FIXED_KINDS = frozenset({"furniture", "street", "plant", "tableware", "food"})
_FROM_AFAR = frozenset({"watched", "photographed", "filmed", "observed", "approached", "painted", "drawn", "examined"})
"""What is done to a thing without being where it is."""
_WAYS = {"right": "to the right", "left": "to the left", "up": "up", "down": "down"}


def enhance(prompt: str, *, seed: int = 0, max_instances: int = MOST_INSTANCES) -> Enhanced:
    """Raises `InputError` for a prompt that is empty or too long, `UsageError` for a limit outside 1 to 10."""
    check_limit(max_instances)
    return enhance_reading(read(prompt), seed=seed, max_instances=max_instances)


def check_limit(max_instances: int) -> None:
    """Raises `UsageError`."""
    if not 1 <= max_instances <= LARGEST_LIMIT:
        raise UsageError(f"--max-instances must be 1 to {LARGEST_LIMIT}; got {max_instances}")


def enhance_reading(reading: Reading, *, seed: int, max_instances: int) -> Enhanced:
    """The same from a prompt already read."""
    # One seed per prompt: a line of a file gets the same words wherever it is in the file.
    random = Random(f"{seed}:{reading.text}")
    chosen, omitted = choose(reading, max_instances=max_instances)
    courses = _courses(reading, chosen, random)
    instances = tuple(
        _instance(reading, one, chosen, courses[i], random=random, seed=seed) for i, one in enumerate(chosen)
    )
    notes = list(reading.notes)
    if reading.not_understood:
        notes.append(f"not understood: {', '.join(reading.not_understood)} (kept in the global sentence)")
    notes += [f"{m.noun.singular!r} is not in the lexicon; taken for a thing" for m in reading.mentions if m.guessed]
    if omitted:
        left = listed([f"{n} of class {name}" for name, n in omitted.items()])
        notes.append(f"at most {max_instances} instances are described; left out: {left}")
    directions = {c.direction for c in courses} & {"left", "right"}
    return Enhanced(
        reading=reading,
        instances=instances,
        background=background(reading, random),
        camera=camera(reading, directions, random),
        seed=seed,
        max_instances=max_instances,
        omitted=omitted,
        used={"mode": "rules"},
        notes=tuple(notes),
    )


def _courses(reading: Reading, chosen: tuple[Chosen, ...], random: Random) -> list[Course]:
    """One way per instance; a thing that is ridden, carried or sat on is where its actor is."""
    courses: list[Course] = []
    taken: set[str] = set()
    for one in chosen:
        mention = reading.mentions[one.mention]
        anchor = mention.linked
        if mention.acted and mention.acted[0] not in _FROM_AFAR:
            anchor = mention.acted[1]
        at = next((j for j, other in enumerate(chosen[: len(courses)]) if other.mention == anchor), None)
        if at is not None and not mention.where and not mention.actions:
            course = courses[at]
            if mention.noun.kind in _FIXED_KINDS and not mention.acted:
                course = Course(course.end, course.end, course.stated)
        elif (friend := _companion(reading, chosen[: len(courses)], mention)) is not None:
            course = beside(courses[friend], taken)
        else:
            course = choose_course(
                words=mention.where,
                action="; ".join(mention.actions),
                kind=mention.noun.kind,
                travels=bool(mention.travels),
                taken=taken,
                random=random,
            )
        taken.add(course.start)
        courses.append(course)
    return courses


def _companion(reading: Reading, earlier: tuple[Chosen, ...], mention: Mention) -> int | None:
    """An earlier instance with the same clause: they go the same way."""
    same = (j for j, one in enumerate(earlier) if reading.mentions[one.mention].actions == mention.actions)
    return next(same, None) if mention.actions else None


def _instance(
    reading: Reading, one: Chosen, chosen: tuple[Chosen, ...], course: Course, *, random: Random, seed: int
) -> EnhancedInstance:
    mention = reading.mentions[one.mention]
    sentence = position_sentence(mention.noun.class_name, course)
    cells = course.start if course.start == course.end else f"{course.start} to {course.end}"
    return EnhancedInstance(
        name=one.name,
        class_name=mention.noun.class_name,
        mention=one.mention,
        appearance=appearance(reading, one, seed),
        action=_action(reading, one, chosen, course, random),
        position=field_of(sentence, course.stated, (cells,)),
    )


def _action(reading: Reading, one: Chosen, chosen: tuple[Chosen, ...], course: Course, random: Random) -> EnhancedField:
    mention = reading.mentions[one.mention]
    said = [_for_one(clause, mention) for clause in (*mention.actions, *_from_modifiers(mention))]
    invented: list[str] = []
    if mention.acted:
        said.append(f"is {mention.acted[0]}{_by(reading, chosen, mention.acted[1])}")
    elif not said and mention.linked is not None and course.start != course.end:
        with_whom = next((o.name for o in chosen if o.mention == mention.linked), "the others")
        invented.append(f"moves along with {with_whom}")
    elif not said:
        invented.append(random.choice(_allowed(still_actions(mention.noun.kind), reading)))
    text = f"{capital(one.name)} {listed(said or invented)}."
    if course.direction and not mention.where and (said or mention.linked is not None):
        subject = capital(one.name) if mention.noun.kind == "person" else "It"
        way = f"{subject} moves {_WAYS[course.direction]}."
        text, invented = f"{text} {way}", [*invented, way]
    return field_of(text, tuple(said), tuple(invented))


def _allowed(options: tuple[str, ...], reading: Reading) -> tuple[str, ...]:
    """Options that do not name what the prompt denies; the last resort says only that it is there."""
    denied = {form for word in reading.excluded for form in _forms(word)}
    return tuple(o for o in options if not denied & set(o.split())) or ("can be seen",)


def _forms(word: str) -> set[str]:
    verb = verb_forms().get(word)
    return {word} if verb is None else {word, verb.base, verb.present, verb.gerund}


def _from_modifiers(mention: Mention) -> list[str]:
    """ "a sleeping dog" sleeps; "a parked car" is parked."""
    if mention.actions:
        return []
    found = []
    for word in mention.modifiers.lower().split():
        verb = verb_forms().get(word)
        if verb is not None and word in (verb.gerund, verb.participle) and word != verb.base:
            found.append(verb.present if word == verb.gerund else f"is {word}")
        elif verb is None and word.endswith("ing") and len(word) > 5:
            found.append(f"is {word}")
    return found


def _for_one(clause: str, mention: Mention) -> str:
    """A clause said of several, said of one of them: "chase each other" -> "chases the other dog"."""
    if mention.count > 1:
        others = plural(mention.noun.singular) if mention.count > 2 else mention.noun.singular
        clause = clause.replace("each other", f"the other {others}").replace("one another", f"the other {others}")
    return clause if mention.noun.kind == "person" else clause.replace(" their ", " its ")


def _by(reading: Reading, chosen: tuple[Chosen, ...], actor: int) -> str:
    names = [one.name for one in chosen if one.mention == actor]
    mention = reading.mentions[actor]
    if len(names) == 1 and mention.count == 1:
        return f" by {names[0]}"
    return f" by the {plural(mention.noun.singular)}" if names else ""
