"""The PyTorch half of training: Lightning's Trainer with its callbacks."""

import logging
import time
import warnings
from pathlib import Path

import lightning
import numpy as np
import torch
from jaxtyping import Float
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from dogbreeds import models
from dogbreeds.batches import Batches
from dogbreeds.runs import RunConfig
from dogbreeds.training import Fitted, report

BEST = "best.ckpt"


class Classifier(lightning.LightningModule):
    """A network, its loss, its optimiser and its schedule by the recipe."""

    def __init__(self, config: RunConfig, steps: int):
        super().__init__()
        self.recipe, self.steps = config.recipe, steps
        self.model = models.build(config.architecture, "pytorch", len(config.breeds))
        self.model.to(memory_format=torch.channels_last)  # the faster layout on processors and GPUs alike
        self.accuracy_of_training = MulticlassAccuracy(len(config.breeds), average="micro")
        self.accuracy_of_validation = MulticlassAccuracy(len(config.breeds), average="micro")

    def forward(self, photos: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch breeds"]:
        return self.model(photos.contiguous(memory_format=torch.channels_last))

    def _measured_loss(self, batch, stage: str) -> Tensor:
        photos, labels = batch
        logits = self(photos)
        loss = F.cross_entropy(logits, labels)
        accuracy = getattr(self, f"accuracy_of_{stage}")
        accuracy(logits, labels)
        self.log(f"{stage}_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        self.log(f"{stage}_accuracy", accuracy, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def training_step(self, batch, batch_index):
        return self._measured_loss(batch, "training")

    def validation_step(self, batch, batch_index):
        self._measured_loss(batch, "validation")

    def predict_step(self, batch, batch_index):
        return self(batch[0])

    def configure_optimizers(self):
        decayed = [parameter for parameter in self.model.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.model.parameters() if parameter.ndim < 2]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        # Epsilon as in Keras: PyTorch's own is 1e-8.
        optimizer = torch.optim.AdamW(groups, lr=1.0, weight_decay=self.recipe.weight_decay, eps=1e-7, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: self.recipe.learning_rate_at(min(step, self.steps - 1), self.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class History(Callback):
    """One row an epoch; photos a second are of training alone, without validation."""

    def __init__(self, config: RunConfig, stream: Batches):
        self.config, self.stream, self.rows = config, stream, []

    def on_train_epoch_start(self, trainer, module):
        self.stream.epoch, self.start = trainer.current_epoch, time.perf_counter()

    def on_validation_start(self, trainer, module):
        self.seconds = time.perf_counter() - self.start

    def on_train_epoch_end(self, trainer, module):
        names = ("training_loss", "training_accuracy", "validation_loss", "validation_accuracy")
        row = {"epoch": trainer.current_epoch + 1} | {name: float(trainer.callback_metrics[name]) for name in names}
        photos = len(self.stream) * self.stream.batch_size
        self.rows.append(row | {"seconds": self.seconds, "photos_per_second": photos / self.seconds})
        report(self.config, self.rows[-1])


def fit(config: RunConfig, streams: dict[str, Batches], folder: Path) -> Fitted:
    """Trains by `config`; the best weights stay in `folder`."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lightning.seed_everything(config.seed, verbose=False)
    loaders = {split: stream.loader() for split, stream in streams.items()}
    module = Classifier(config, config.recipe.epochs * len(streams["train"]))
    best = ModelCheckpoint(folder, "best", monitor="validation_loss", save_weights_only=True)
    history = History(config, streams["train"])
    trainer = lightning.Trainer(
        max_epochs=config.recipe.epochs,
        callbacks=[history, best, EarlyStopping("validation_loss", patience=config.recipe.patience)],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        devices=1,
    )
    with warnings.catch_warnings():
        # The batches come whole from memory: worker processes would only copy them.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*LeafSpec.*deprecated")  # Lightning 2.6 on PyTorch 2.11, not ours to mend
        trainer.fit(module, loaders["train"], loaders["validation"])
        load_weights(module.model, folder)
        logits = {
            split: torch.cat(trainer.predict(module, loaders[split])).float().cpu().numpy()
            for split in ("validation", "test")
        }
    return Fitted(history.rows, logits, models.count_parameters(module), str(trainer.strategy.root_device))


def load_weights(model: torch.nn.Module, folder: Path) -> torch.nn.Module:
    """The weights of a Lightning checkpoint, read without executing anything."""
    state = torch.load(folder / BEST, weights_only=True, map_location="cpu")["state_dict"]
    model.load_state_dict(
        {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}
    )
    return model.eval()


def last_features(model: torch.nn.Module, photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The maps before pooling `[photo, channel, height, width]` and the head's weights `[channel, breed]`."""
    kept = []
    last = getattr(model, "block14", None) or model.layer4
    hook = last.register_forward_hook(lambda module, inputs, output: kept.append(output))
    with torch.inference_mode():
        model(torch.from_numpy(photos))
    hook.remove()
    return kept[0].numpy(), model.fc.weight.detach().numpy().T
