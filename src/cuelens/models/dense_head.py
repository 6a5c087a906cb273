"""The head of many published wav2vec 2.0 emotion models, which transformers does not have.

Dense, tanh, projection, on the mean of the encoder's last layer over time: audeering's model of
arousal, dominance and valence [1]_ and checkpoints whose architecture is called
``...ForSpeechClassification``.

References
----------
.. [1] J. Wagner et al., "Dawn of the transformer era in speech emotion recognition: closing the
   valence gap", IEEE TPAMI 45(9), 2023, arXiv 2203.07378.
"""

from __future__ import annotations

from typing import Any

from cuelens.errors import InputError
from cuelens.features.hugging_face import torch, transformers


def has_dense_head(config: Any) -> bool:
    """Whether the checkpoint's architecture is one with this head."""
    return any(
        name == "EmotionModel" or name.endswith("ForSpeechClassification")
        for name in config.architectures or ()
    )


class DenseHead(torch.nn.Module):
    """Dense layer, tanh, projection to the labels."""

    def __init__(self, width: int, n_labels: int) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(width, width)
        self.out_proj = torch.nn.Linear(width, n_labels)

    def forward(self, mean: torch.Tensor) -> torch.Tensor:
        """From means over time, (n, width), to (n, n_labels)."""
        return self.out_proj(torch.tanh(self.dense(mean)))


def dense_head_class(config: Any, *, name: str) -> Any:
    """Class of networks with this head, for ``from_pretrained``.

    Parameters
    ----------
    config : transformers configuration
        Of wav2vec 2.0 or another encoder of waveforms.
    name : str
        Of the checkpoint, for messages.

    Raises
    ------
    InputError
        The checkpoint pools otherwise.
    """
    pooling = getattr(config, "pooling_mode", None) or "mean"
    if pooling != "mean":
        raise InputError(
            f"{name}: pools by {pooling!r}; expected 'mean': give it as a PyTorch module instead"
        )
    encoder = transformers.models.auto.modeling_auto.MODEL_MAPPING[type(config)]
    base = next(
        kind
        for kind in encoder.__mro__[1:]
        if issubclass(kind, transformers.modeling_utils.PreTrainedModel)
    )

    class SpeechClassifier(base):  # type: ignore[misc, valid-type]
        def __init__(self, config: Any) -> None:
            super().__init__(config)
            setattr(self, self.base_model_prefix, encoder(config))
            self.classifier = DenseHead(config.hidden_size, config.num_labels)
            self.post_init()

        def forward(self, input_values: torch.Tensor, **_: Any) -> Any:
            hidden = getattr(self, self.base_model_prefix)(input_values).last_hidden_state
            logits = self.classifier(hidden.mean(dim=1))
            return transformers.modeling_outputs.SequenceClassifierOutput(logits=logits)

    return SpeechClassifier
