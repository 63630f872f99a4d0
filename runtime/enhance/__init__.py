"""InstanceEnhancer: a short prompt becomes a caption in the captioner's format (docs/spec/instancecap.md 6).

    from edgecap.runtime.enhance import enhance
    enhanced = enhance("two dogs chase a red ball on a beach", seed=7)
    row = enhanced_to_json(enhanced)
    row["Structural Description"], row["meta"]["paragraph"]

Rules by default, no model needed; `dialogue.enhance_with` asks a language model instead and has every answer checked.
"""

from edgecap.runtime.enhance.plan import Enhanced, EnhancedField, EnhancedInstance
from edgecap.runtime.enhance.row import enhanced_to_json
from edgecap.runtime.enhance.rules import enhance

__all__ = ["Enhanced", "EnhancedField", "EnhancedInstance", "enhance", "enhanced_to_json"]
