"""Find every chromosome of a karyogram: what is ink but no chromosome left out, touching ones cut.

`locate` is the way in; the steps are one module each: `objects` (what stands on the page), `seams`
(where an object could be cut), `arbiter` (whether it should be), `partition` (the cutting of one
object and its alternatives), `rows` (reading order), `axis` (medial line), `found` (the types).
"""

from screening.karyogram.locate.found import Doubt, FoundChromosome, Located
from screening.karyogram.locate.page import locate

__all__ = ["Doubt", "FoundChromosome", "Located", "locate"]
