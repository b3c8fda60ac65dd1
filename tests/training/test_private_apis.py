"""Private or undocumented parts of other libraries that this one uses: an upgrade that removes one fails here."""

import pkgutil

import pytest


@pytest.mark.parametrize(
    "name",
    [
        # keras_trainer: how an optimiser updates one variable, and all variables at once on the PyTorch backend
        "keras:Optimizer.update_step",
        "keras:Optimizer._get_variable_index",
        "keras.src.backend.torch.optimizers.torch_sgd:SGD._parallel_update_step",
        "keras.src.backend.torch.optimizers.torch_adam:Adam._parallel_update_step",
        "torch:_foreach_add",
        "torch:_foreach_add_",
        "torch:_foreach_mul",
        "torch:_foreach_mul_",
        "torch:_foreach_sub_",
    ],
)
def test_private_api_exists(name):
    assert callable(pkgutil.resolve_name(name))
