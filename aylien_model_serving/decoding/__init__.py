"""Pictures, sound and film, decoded in processes that can be killed: what a file costs is bounded there.

Pillow, soundfile and PyAV are C code that reads what strangers send. So they run in processes of their own,
decoders, with limits of the kernel's on memory and processor time, and none of the service's environment. A
file is measured before memory is taken for it; what measuring can't foresee, those limits end.

Knows files by their bytes and media type alone; where they come from and what becomes of them, `media`
knows.
"""
