"""Published results of 24-class networks, with their source: printed beside ours, never mixed in.

Other pictures, other splits and mostly pretrained networks: they say what the field reports, not
what these networks would reach here.
"""

from __future__ import annotations

from dataclasses import dataclass

_CHROMOSOMENET = "ChromosomeNet (Lin et al. 2022), Table 2: 126,453 pictures, random split"
_OLDER = "ChromosomeNet (Lin et al. 2022), its re-evaluation of earlier networks, random split"
_ANET = "ANet-c6 (CCEAI 2020): 89,980 pictures, random split"
_SCL = "Chang et al., Table 1"


@dataclass(frozen=True)
class Anchor:
    """A published accuracy in percent, and the macro figures where they are printed: precision,
    F1, sensitivity, specificity. `seconds` for 1,000 pictures one after another, on their GPU."""

    network: str
    accuracy: float
    source: str
    precision: float | None = None
    f1: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None
    seconds: float | None = None


_BASELINES = (
    ("MobileNetV2", 97.54, 97.58, 99.20, 98.07, 97.12, 8.6),
    ("DenseNet121", 97.95, 98.17, 99.24, 99.42, 98.40, 53.4),
    ("ResNet-50", 98.34, 98.62, 99.60, 98.98, 98.29, 14.0),
    ("ResNet-101", 98.47, 98.67, 99.67, 99.49, 98.43, 24.1),
    ("ResNet-152", 98.39, 98.51, 99.63, 99.38, 98.89, 29.6),
    ("ResNeXt-101 32×8d", 98.51, 98.62, 98.57, 98.59, 99.94, 34.2),
    ("Res2Net-50", 99.28, 99.27, 99.21, 99.16, 99.97, 52.4),
    ("ResNeSt-50", 99.32, 99.33, 99.29, 99.27, 99.97, 22.2),
)
_CONTRASTIVE = (
    ("ViT-S/8", 91.64, 96.17, 76.62, 84.28), ("ViT-L", 91.57, 93.34, 75.26, 78.37),
    ("DaViT-S", 90.20, 94.13, 73.68, 81.18), ("DaViT-L", 92.58, 94.54, 77.38, 82.01),
    ("Swin-S", 93.65, 96.07, 81.60, 86.51), ("Swin-L", 95.30, 96.33, 83.22, 87.32),
    ("ResNet-34", 93.46, 95.22, 82.49, 86.38), ("ResNet-50", 89.64, 91.95, 76.58, 80.32),
)  # fmt: skip

ANCHORS = (
    *(
        Anchor(name, accuracy, _CHROMOSOMENET, precision, f1, sensitivity, specificity, seconds)
        for name, precision, accuracy, f1, sensitivity, specificity, seconds in _BASELINES
    ),
    *(
        Anchor(name, accuracy, _OLDER)
        for name, accuracy in (
            ("Deep CNN (Sharma 2017)", 92.09), ("Vanilla CNN (Zhang 2018)", 95.48),
            ("CNN (Hu 2019)", 94.70), ("ChromNet2 (Remya 2020)", 95.23), ("CIR-Net", 98.64),
            ("MixNet", 98.92),
        )
    ),
    *(
        Anchor(name, accuracy, _ANET)
        for name, accuracy in (("AlexNet", 91.0), ("ANet-c6", 92.1), ("VGG", 88.4))
    ),
    *(
        Anchor(f"{name}, {how}", accuracy, f"{_SCL}, {where}")
        for name, *four in _CONTRASTIVE
        for (where, how), accuracy in zip(
            ((w, h) for w in ("own hospital", "another hospital")
             for h in ("plain", "with contrastive training")),
            four, strict=True,
        )
    ),
    Anchor("CNN (Hu 2019)", 93.79, "Hu et al. 2019 on xihu"),
)  # fmt: skip
