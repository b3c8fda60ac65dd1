"""A program that answers with an exported network and then times its answers: `python serve.py ENGINE FILE SIZE`.

It prints a line after the first answer, from which the time from its start is measured, and then the milliseconds per
image for batches of 1 and of 32. Besides NumPy it imports nothing but the engine, as a service would.
"""

import json
import statistics
import sys
import time

import numpy as np

WARM_UPS, REPEATS = 3, {1: 20, 32: 5}  # by batch size


def onnxruntime_network(file):
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    return lambda images: session.run(None, {"images": images})


def pytorch_network(file):
    import torch

    network = torch.export.load(file).module()

    def answer(images):
        with torch.inference_mode():
            return network(torch.from_numpy(images))

    return answer


def keras_network(file):
    import keras

    return keras.models.load_model(file, compile=False).predict_on_batch


ENGINES = {"onnxruntime": onnxruntime_network, "PyTorch": pytorch_network, "Keras": keras_network}


def milliseconds(answer, images) -> float:
    """The median time per image in milliseconds."""
    times = []
    for _ in range(WARM_UPS + REPEATS[len(images)]):
        start = time.perf_counter()
        answer(images)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[WARM_UPS:]) / len(images)


def main() -> None:
    engine, file, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    images = np.random.default_rng(0).integers(0, 256, (32, size, size, 3), np.uint8)
    answer = ENGINES[engine](file)
    answer(images[:1])
    print("answered", flush=True)
    print(json.dumps([milliseconds(answer, images[:count]) for count in REPEATS]))


if __name__ == "__main__":
    main()
