"""Tables as `dogbreeds bench deployment` saves them, for the tests of what they decide."""

import numpy as np
import pandas as pd

from dogbreeds.analysis import deployment


def measurements(rounds=5, spread=0.02, seed=0, **ratios):
    """Measurements of three networks; `ratios` are those of Keras to PyTorch by measure, else 1."""
    generator, rows = np.random.default_rng(seed), []
    for number in range(rounds):
        for network in ("Xception", "ResNet50", "SE-ResNet50"):
            for framework in ("Keras", "PyTorch"):
                row = {"network": network, "framework": framework, "round": number + 1}
                row |= {
                    "test_accuracy": 0.845,
                    "largest_difference": 3.1e-6,
                    "test_photos": 1000,
                    "images": "drawn dogs",
                }
                row |= {"image_size": 40, "machine": "an abacus", "date": "2020-01-28", "backend": ""}
                row |= {"initial_weights": "scratch"}
                for name in deployment.MEASURES:
                    noise = np.exp(generator.normal(0, spread)) if name in deployment.TIMED else 1
                    row[name] = 2 * noise * (ratios.get(name, 1) if framework == "Keras" else 1)
                rows.append(row)
    return pd.DataFrame(rows)
