r"""Pencil drawings of photographs: an image in, an image out, as jobs of which at most ten are queued.

make COMMAND_UNCACHED='examples.img2img.app:run_app()' example-service
curl localhost:8000/img2img -F upload_img=@photo.jpg            # returns the job and its links
curl 'localhost:8000/status/<job_id>?wait=10'                   # its result is the drawing, as a file object
"""

from flask import Flask

from aylien_model_serving import ImageFile
from aylien_model_serving.app_factory import FlaskAppWrapper, InvalidRequest
from examples.img2img.drawing import draw

GREATEST_RADIUS = 100.0  # pixels


def draw_image(upload_img: ImageFile, radius: float = 8.0) -> ImageFile:
    """Convert an image to a pencil drawing.

    Args:
        upload_img: any image.
        radius: pixels around an edge that are drawn, above 0 and up to 100.
    """
    if not 0 < radius <= GREATEST_RADIUS:
        raise InvalidRequest(f"radius has to be above 0 and at most {GREATEST_RADIUS:g}")
    return ImageFile.from_np_array(draw(upload_img.to_np_array("L"), radius), file_name="drawing.png")


def run_app() -> Flask:
    """Return the app that the server serves."""
    return FlaskAppWrapper.create_app(
        [
            {
                "endpoint": "/img2img",
                "callable": draw_image,
                "methods": ["POST"],
                "job": {"queue_size": 10},
            }
        ]
    )
