"""Write what Keras says of known inputs with the networks of the shipped bundle.

    python scripts/make_known_answers.py

The other engines are compared with it when they load (`screening.known_answers`). To be run after
the shipped bundle was replaced, if its bundle.json has no answers of its own.
"""

from __future__ import annotations

import json

import screening.models.structure  # noqa: F401 (teaches Keras its layers)
from screening.bundle import default_bundle, load_bundle
from screening.bundle_schema import PartInfo
from screening.known_answers import SHIPPED, answers_of


def main() -> None:
    """Write the file that lies beside the bundle."""
    bundle = load_bundle(default_bundle())
    answers = {
        bundle.info.files[part.weights]: answers_of(
            (bundle.folder / part.config).read_text("utf-8"), bundle.folder / part.weights
        )
        for part in bundle.info.parts.values()
        if isinstance(part, PartInfo)
    }
    SHIPPED.write_text(json.dumps(answers, indent=1) + "\n", "utf-8")
    print(SHIPPED)


if __name__ == "__main__":
    main()
