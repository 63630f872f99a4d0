"""A language model's words against poses: contradictions are refused, silence and neighbours are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgecap.runtime.data.evidence import ColourShare
from edgecap.runtime.data.person import Act, FacingSpan, PartColours, PersonEvidence
from edgecap.runtime.verify.people import person_reasons
from tests.runtime.fake_records import make_track, make_window

TRACK = make_track(make_window(), 7)


def reasons(text, *names, facing=(), lasts=2.0, clothes=()):
    acts = tuple(Act(name, 0.0, lasts) for name in names)
    spans = tuple(FacingSpan(name, 0.0, 1.0) for name in facing)
    worn = tuple(PartColours(part, (ColourShare(name, 0.8),)) for part, name in clothes)
    person = PersonEvidence(8, 0.0, 2.0, acts, spans, worn)
    return [reason.code for reason in person_reasons(text, replace(TRACK, person=person))]


@pytest.mark.parametrize(
    ("text", "refused_with", "accepted_with"),
    [
        ("The woman sits on a bench.", "walking", "sitting"),
        ("She is standing at the curb.", "sitting", "standing"),
        ("The man walks along.", "sitting", "walking"),
        ("A boy runs past.", "walking", "running"),
        ("The man is crouching.", "walking", "crouching"),
        ("A person is sitting on a horse.", "running", "riding"),
    ],
)
def test_acts(text, refused_with, accepted_with):
    assert reasons(text, refused_with) == ["act"]
    assert reasons(text, accepted_with) == []
    assert reasons(text, refused_with, accepted_with) == []


def test_little_evidence_refuses_nothing():
    assert reasons("The woman sits.", "walking", lasts=0.9) == []
    assert reasons("The woman sits.", "waving", "turning") == []
    assert reasons("The woman sits.") == []
    assert person_reasons("The woman sits.", TRACK) == []


def test_facing():
    assert reasons("He stands, facing the camera.", facing=["away"]) == ["act"]
    assert reasons("He is facing left.", facing=["right"]) == ["act"]
    assert reasons("He is facing left.", facing=["left"]) == reasons("He is facing left.", facing=["camera"]) == []
    assert reasons("He faces left.", facing=["right", "left"]) == []


def test_garments():
    assert reasons("A man in a red jacket.", clothes=[("upper", "green")]) == ["colour"]
    assert reasons("A man in a navy wool coat.", clothes=[("upper", "black")]) == []  # its neighbour
    assert reasons("A man in white trousers.", clothes=[("upper", "white")]) == []  # the legs were not seen
    assert reasons("A man in white trousers.", clothes=[("lower", "black")]) == ["colour"]
