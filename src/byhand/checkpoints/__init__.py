"""Files of weights in the standard formats: GGUF, safetensors. Nothing in them is executed."""
