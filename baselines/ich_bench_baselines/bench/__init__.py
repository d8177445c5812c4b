"""How fast is a training here, beside the plain way and what the device could do?"""
