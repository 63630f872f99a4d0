"""False statements planted into true captions: how many the verifier catches."""
