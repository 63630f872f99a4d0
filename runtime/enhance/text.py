"""Small English for the enhancer's sentences, and fields with their provenance."""

from __future__ import annotations

from collections.abc import Sequence

from edgecap.runtime.enhance.plan import EnhancedField, EnhancedProvenance


def field_of(text: str, said: tuple[str, ...], invented: tuple[str, ...]) -> EnhancedField:
    """`said`: the prompt's words in it; `invented`: ours."""
    provenance: EnhancedProvenance = "mixed" if said and invented else "prompt" if said else "invented"
    return EnhancedField(text, provenance, tuple(p for p in said if p), tuple(p for p in invented if p))


def capital(text: str) -> str:
    """First letter upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def article(noun: str) -> str:
    """ "a dog", "an old dog", "a unicycle"."""
    sounds_like_you = noun.lower().startswith(("uni", "use", "eu", "one"))
    return f"{'an' if noun[:1].lower() in 'aeiou' and not sounds_like_you else 'a'} {noun}"


def listed(words: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
