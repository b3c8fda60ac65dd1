"""Training with PyTorch: Lightning's Trainer and its callbacks."""

import logging
import signal
import warnings
from collections import OrderedDict
from contextlib import contextmanager
from itertools import product

import lightning
import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric

from dogbreeds import models
from dogbreeds.data.batches import Batches
from dogbreeds.training.devices import Devices
from dogbreeds.training.epochs import Epochs
from dogbreeds.training.progress import MEASURES, STAGES
from dogbreeds.training.recipe import Recipe

BETA_2, EPSILON = 0.999, 1e-7  # of AdamW, as in Keras


class Classifier(lightning.LightningModule):
    """A network, or only its head, with the loss, the optimiser and the learning-rate schedule of the recipe."""

    def __init__(self, model: nn.Module, recipe: Recipe, steps: int, steps_done: int, optimizer: dict):
        super().__init__()
        self.model, self.recipe, self.steps, self.step = model, recipe, steps, steps_done
        self.optimizer_state = optimizer
        # No synchronisation or cache: the bar reads the metrics of one process. No NaN checks: they wait for the GPU.
        options = {"nan_strategy": "disable", "sync_on_compute": False, "compute_with_cache": False}
        names = [f"{stage}_{measure}" for stage, measure in product(STAGES, MEASURES)]
        self.metrics = nn.ModuleDict({name: MeanMetric(**options) for name in names})

    def forward(self, inputs: Tensor) -> Float[Tensor, "batch breeds"]:
        return self.model(_channels_last(inputs))

    def _loss(self, batch, stage: str) -> Tensor:
        inputs, labels = batch
        logits = self(inputs).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        # One value per photo, because torchmetrics ignores weights when its NaN checks are disabled.
        self.metrics[f"{stage}_loss"].update(loss.detach().expand(len(labels)))
        self.metrics[f"{stage}_accuracy"].update((logits.argmax(dim=1) == labels).float())
        return loss

    def training_step(self, batch, batch_index):
        return self._loss(batch, "training")

    def validation_step(self, batch, batch_index):
        self._loss(batch, "validation")

    def measures(self, stage: str) -> dict[str, float]:
        """Returns loss and accuracy of the epoch so far, in this process."""
        return {name: metric.compute().item() for name, metric in self.metrics.items() if name.startswith(stage)}

    def configure_optimizers(self):
        names, groups = dict(self.model.named_parameters()), {}
        for name, parameter in names.items():
            if parameter.requires_grad:
                multiplier = 1.0 if name.startswith("fc.") else self.recipe.backbone_multiplier
                decay = self.recipe.weight_decay if parameter.ndim > 1 else 0.0
                group = {"params": [], "multiplier": multiplier, "weight_decay": decay}
                groups.setdefault((multiplier, decay), group)["params"].append(parameter)
        kind, options = torch.optim.AdamW, {"betas": (0.9, BETA_2), "eps": EPSILON}
        if self.recipe.optimizer == "sgd":
            kind, options = torch.optim.SGD, {"momentum": 0.9}
        optimizer = kind(list(groups.values()), lr=self.recipe.learning_rate, fused=True, **options)
        # Restore the optimiser of an interrupted phase; in a new phase its state is empty.
        for key, value in self.optimizer_state.items():
            name, _, slot = key.rpartition(".")
            # The fused step needs the memory layout and the device of the parameter.
            like = names[name] if value.ndim else value
            place = torch.empty_like(like, dtype=value.dtype, device=names[name].device)
            optimizer.state[names[name]][slot] = place.copy_(value)
        return optimizer

    def on_before_optimizer_step(self, optimizer):
        # The rate depends on the step alone, so a resumed training follows the same schedule.
        rate = self.recipe.learning_rate_at(self.step, self.steps)
        self.step += 1
        for group in optimizer.param_groups:
            group["lr"] = rate * group["multiplier"]
            if "eps" in group:  # as Keras: "epsilon hat" of Kingma and Ba, arXiv:1412.6980, section 2
                group["eps"] = EPSILON / (1 - BETA_2**self.step) ** 0.5


def _channels_last(inputs: Tensor) -> Tensor:
    """Images in the memory layout that is faster on CPUs and GPUs; features are returned unchanged."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs


class _Callback(Callback):
    """Passes the events of Lightning on to `Epochs`."""

    def __init__(self, epochs: Epochs):
        self.epochs = epochs

    def on_train_epoch_start(self, trainer, module):
        self.epochs.begin()
        for metric in module.metrics.values():
            metric.reset()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_index):
        self.epochs.step(batch_index, lambda: tuple(module.measures("training").values()))

    def on_validation_start(self, trainer, module):
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()  # waits for the queued steps
        self.epochs.begin_validation()

    def on_train_epoch_end(self, trainer, module):
        measures = {}
        for name, value in module.measures("training").items():  # all processes have parts of equal size
            measures[name] = trainer.strategy.reduce(torch.tensor(value, device=module.device), reduce_op="mean").item()
        measures |= module.measures("validation")
        ends = self.epochs.end(module.model, measures, _optimizer_state(module))
        # One process decides for all: on GPUs their losses may differ in the last bit.
        trainer.should_stop = trainer.strategy.broadcast(ends)


def _optimizer_state(module: Classifier) -> dict[str, Tensor]:
    state = module.optimizers().optimizer.state
    return {
        f"{name}.{slot}": value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, parameter in module.model.named_parameters()
        for slot, value in state[parameter].items()
    }


def fit(model: nn.Module, recipe: Recipe, streams: dict[str, Batches], epochs: Epochs, devices: Devices) -> None:
    """Trains `model` to the end of the phase of `epochs`."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    phase, steps, several = epochs.phase, len(streams["train"]), devices.processes > 1
    if phase.name == "head":
        model = nn.Sequential(OrderedDict(fc=model.fc))  # only the head, under its name in the network
    model.train().to(memory_format=torch.channels_last)
    module = Classifier(model, recipe, phase.epochs * steps, phase.done * steps, epochs.training_state.optimizer)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(
        max_epochs=phase.epochs - phase.done,
        callbacks=[_Callback(epochs)],
        precision="bf16-mixed" if recipe.precision == "bfloat16" else "32-true",
        strategy="ddp" if several else "auto",
        sync_batchnorm=several and torch.accelerator.is_available(),
        devices=devices.count,
        num_nodes=devices.nodes,
        use_distributed_sampler=False,  # the stream already returns the part of this process
        num_sanity_val_steps=0,
        # `benchmark` is left out, so that cuDNN does not try all its kernels first: this costs each process seconds
        # per new shape, more than most trainings save (`dogbreeds bench speed` measures both).
        **quiet,
    )
    with warnings.catch_warnings(), _interruptible():
        # Batches come from memory: worker processes would only copy them.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*deprecated")  # Lightning 2.6 on PyTorch 2.11
        trainer.fit(module, streams["train"].loader(), streams["validation"].loader())
    if several:  # a gloo thread that outlives the interpreter aborts its process
        torch.distributed.destroy_process_group()


@contextmanager
def _interruptible():
    """Keeps Ctrl-C a KeyboardInterrupt: Lightning turns it into an exit and ignores the next one."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as stopped:
        if isinstance(stopped.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, before)
            raise KeyboardInterrupt from stopped
        raise


def network(architecture: str, classes: int, precision: str = "float32", **options) -> nn.Module:
    """Returns a network to fill with weights; `options` are passed to `models.build`. Lightning sets the precision."""
    return models.build(architecture, "pytorch", classes, **options)


def features(model: nn.Module, stream: Batches) -> Float[np.ndarray, "photos 2048"]:
    """Returns the input of the head for every photo of a stream, in order. Removes the head from `model`."""
    model.fc = nn.Identity()
    return predict(model, stream)


def predict(model: nn.Module, stream: Batches) -> Float[np.ndarray, "photos breeds"]:
    """Returns the logits of every photo of a stream, in order, in inference mode and float32."""
    model.eval().to(stream.device, memory_format=torch.channels_last)
    with torch.inference_mode():
        return torch.cat([model(_channels_last(photos)).cpu() for photos, _ in stream.loader()]).numpy()


def device(model: nn.Module) -> str:
    return str(next(model.parameters()).device)


def last_features(model: nn.Module, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the feature maps before pooling `[photo, channel, height, width]` and the head `[channel, breed]`."""
    kept = []
    last = getattr(model, "block14", None) or model.layer4
    hook = last.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.inference_mode():
        model(torch.from_numpy(photos))
    hook.remove()
    return kept[0].numpy(), model.fc.weight.detach().numpy().T
