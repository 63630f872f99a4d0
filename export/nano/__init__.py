"""The `nano` pack: recipes that train its models on the synthetic world and export them."""
