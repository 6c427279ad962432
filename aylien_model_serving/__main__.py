"""`python -m aylien_model_serving` is the command line, also where the program is not on the path."""

from __future__ import annotations

from aylien_model_serving.cli import main

if __name__ == "__main__":
    main(prog_name="model-serving")
