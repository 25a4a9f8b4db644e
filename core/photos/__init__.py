"""Photos in: safe decoding of whatever a shop drops, upright, sRGB, straight alpha."""
