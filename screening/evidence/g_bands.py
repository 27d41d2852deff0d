"""What the G bands of each chromosome look like: mean profiles of real ones.

The mean of `banding.profiles_of` over 12,032 chromosomes of 139 people, the training part of
gband612 in the build of the shipped bundle, smoothed by one row of 96 and sampled.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from screening.classes import CHROMOSOMES

SAMPLES = 40
"""Values of each profile, from the end of the short arm to that of the long one."""


@cache
def g_profiles(rows: int) -> np.ndarray:
    """Return the ink along each of the 24 chromosomes in `rows` steps, (24, rows) in 0–255.

    The length fills the same part of the rows as in crops (`karyogram.crops.LENGTH_SHARE`).
    """
    at = (np.arange(rows) + 0.5) * SAMPLES / rows - 0.5
    known = np.array([list(bytes.fromhex(_INK[name])) for name in CHROMOSOMES], np.float64)
    return np.array([np.interp(at, np.arange(SAMPLES), line) for line in known])


_INK = {
    "1": "5a5b68757173777d858c91a1aca398a3a3908d90a1afad967b7a8b9590a7b184809d8b798d845f5a",
    "2": "5a5d72868c7d85908b9d968490a4978b80878f90938e8c9fa49e9e91879aa6998d9a8e8e81665b5a",
    "3": "5a5d7a7a7393a49989786e77878c8ea3bdb7a2aaaea6a19c8e787681909f989aa6a296817f725c5a",
    "4": "5a5a5e677e939ca89d96978e8a8ea4aa9584828e99968e8d949497a298847d8292979697866d5c5a",
    "5": "5a5b667b899fb29f89939b8d909e99938d828295a19ea2a49999a19a82727c85808fa69171635b5a",
    "6": "5a5b687b8188938771686b7c9dae9c8fa9bdb4a599929eaaa18d8e9ca39d9190948d86807e6f5c5a",
    "7": "5a5b6586a9ac948181898b8c97a0a3a6a59780758aa9b1a081717d98aaafa0867e87938f7a675b5a",
    "8": "5a5b687a83918c7a7c8e98938d838397a6a19b98989ea5a6a2998a818ea6b0a08980828177645b5a",
    "9": "5a5b6a8a9c9d98a0a89c87899eaeaa998479777e8fa3adada08e828597a6a29997917f6c625d5a5a",
    "10": "5a5b657981848d98968d8f9fa8a19689869bb5b9ab917c778499a59f8c7f899da298877971655b5a",
    "11": "5a5a637680848da2afa7a1a59d959b9fa6aa987c6c686d7c93a6acaaaeb4ab937c737981806e5c5a",
    "12": "5a5a5f69778da3aca4978e8c98b0b9a48371768c9b9b9da6b0b5ad9f999585757174747474675b5a",
    "13": "5a5a5d666d77848e918e898584868a8c88817f8694a1aaada89a9094a4ada5908181888575625a5a",
    "14": "5a5a5e676d74818d939394979b9fa1a3a9afafa5989191918c8277758099afad957d716c685f5a5a",
    "15": "5a5a5e69737d8b9aa5abadaba6a09d9c9b98979aa1a6a3998a7f797675777d848482868f8c6f5b5a",
    "16": "5a5a5d68767e8081828483807d80899199a7bcccd0c6b19c8e909da8a4958a8b918e8071645d5a5a",
    "17": "5a5a5d67748190999b9a9fa6a9a4a09f9f9b938a807771737f93a5acaaa5a4a6a4968371655e5a5a",
    "18": "5a5a5f7181807a7a7f8384817e7e848f9eabb1afaca79c8d807c8085878a95a4afab99836f605a5a",
    "19": "5a5a5b5e646b707577797e889bb3c7d2d3ccc5c0bcb6aca1968f8a87837e787474767a7c74645b5a",
    "20": "5a5a5c65788c9daaaea99f938b8a909ca9b5bec1baaa9788838586837f7d80888e8c8375675d5a5a",
    "21": "5a5a5b5f656a6d6f73787e858d949aa1a9b2bbc2c6c7c4bdb3a79b9087807a76716d69645f5b5a5a",
    "22": "5a5a5c65727b8187909daab7c1c9cccac3b6a7988d88888b8f93928e87807a767271716e675e5a5a",
    "X": "5a5b677c82818497aaa68f817d808b8d8a919087889aacb4ae9c8b888c8e93978b84939b876a5b5a",
    "Y": "5a5a5c677d868179737070747d89959da1a09b95908c8b8d93999ea0a1a09f9e9e9f9c917a635a5a",
}
