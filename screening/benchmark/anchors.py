"""Published results of 24-class networks, with their source: printed beside ours, never mixed in.

Other pictures, other splits and mostly pretrained networks: they say what the field reports, not
what these networks would reach here.
"""

from __future__ import annotations

from dataclasses import dataclass

_CHROMOSOMENET = "ChromosomeNet (Lin et al. 2022), Table 2: 126,453 pictures, random split"
_OLDER = "ChromosomeNet (Lin et al. 2022), its re-evaluation of earlier networks, random split"
_ANET = "ANet-c6 (CCEAI 2020)"
_SCL = "Chang et al., Tables 1 and 2"
_REVIEW = "Luo & Zhao 2023, Table 5"


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
_PLAIN = (("Varifocal-Net", 93.18, 80.83), ("HR-Net", 91.34, 77.99))
_ANET_C6 = (
    ("AlexNet", 91.0, 98.2, 80.4), ("ANet-c6", 92.1, 98.4, 81.6), ("VGG", 88.4, 98.0, 67.0),
)  # fmt: skip
_REVIEWED = {
    "xihu (Chromosome-Images)": (("CNN (Hu 2019)", 93.79), ("Triplet loss (Gajjar 2022)", 89.96)),
    "BioImLab, Q bands": (
        ("Res-CRANN (Sharma 2018)", 90.42), ("Super-Xception (Swati 2018)", 92.36),
        ("Chromenet (Menaka 2022)", 92.6), ("Ensemble (Al-Kharraz 2021)", 97.01),
        ("SRAS-Net (Liu 2022)", 97.55),
    ),
    "CIR-Net's 2,990 pictures": (("CIR-Net (Lin 2022)", 95.98), ("LseNet (Wang 2021)", 92.97)),
    "the authors' own hospital": (
        ("Siamese (Swati 2017)", 84.6), ("Deep CNN (Sharma 2017)", 86.7),
        ("Vanilla CNN (Zhang 2018)", 92.5), ("Centre loss (Wang 2020)", 95.34),
        ("HRNet (Zhang 2021)", 98.1), ("MixNet (Lin 2020)", 98.73),
        ("Varifocal-Net (Qin 2019)", 98.9), ("IAPP-CNN (Wei 2022)", 99.3),
    ),
}  # fmt: skip
QUARTILES_PUBLISHED = (
    ("MobileNetV2", 92.55, 96.73, 97.64, 98.24, 1.51, 99.09),
    ("DenseNet121", 96.17, 97.64, 98.28, 98.73, 1.10, 99.64),
    ("ResNet-50", 97.27, 98.00, 98.82, 99.18, 1.18, 99.64),
    ("ResNet-101", 96.81, 98.19, 98.72, 99.14, 0.95, 99.82),
    ("ResNet-152", 95.74, 97.87, 98.73, 99.27, 1.41, 99.64),
    ("ResNeXt-101 32×8d", 96.81, 98.19, 98.64, 99.27, 1.08, 99.82),
    ("Res2Net-50", 95.77, 99.18, 99.27, 99.45, 0.28, 99.79),
    ("ResNeSt-50", 97.35, 99.06, 99.36, 99.55, 0.49, 99.82),
)
"""Accuracy of the classes, percent: lowest, quartiles, their range, highest, as printed in
ChromosomeNet's Table 4 (lowest and highest without what it calls outliers)."""

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
        Anchor(name, accuracy, f"{_ANET}, {pictures}")
        for name, *three in _ANET_C6
        for pictures, accuracy in zip(
            ("random split of 89,980 chromosomes", "MNIST", "CIFAR-10"), three, strict=True
        )
    ),
    *(
        Anchor(f"{name}, {how}" if how else name, accuracy, f"{_SCL}, {where}")
        for names, hows in ((_CONTRASTIVE, ("plain", "with contrastive training")), (_PLAIN, ("",)))
        for name, *accuracies in names
        for (where, how), accuracy in zip(
            ((w, h) for w in ("own hospital", "another hospital") for h in hows),
            accuracies, strict=True,
        )
    ),
    *(
        Anchor(name, accuracy, f"{_REVIEW}: {pictures}")
        for pictures, results in _REVIEWED.items()
        for name, accuracy in results
    ),
    Anchor("ChromNet2 (Remya 2020)", 91.30, "ChromosomeNet (Lin et al. 2022), Table 5"),
)  # fmt: skip
