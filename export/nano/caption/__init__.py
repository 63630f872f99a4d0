"""The multimodal LLM of the nano pack: tokenizer, data, network, training, export."""
