"""How is a word put into a picture without an image library? In small capitals of 3 × 5 squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = {  # five rows of three squares each, as octal digits
    "a": "25755", "b": "65656", "c": "34443", "d": "65556", "e": "74647", "f": "74644", "g": "34553", "h": "55755",
    "i": "72227", "j": "11152", "k": "55655", "l": "44447", "m": "57755", "n": "65555", "o": "25552", "p": "65644",
    "q": "25563", "r": "65655", "s": "34216", "t": "72222", "u": "55557", "v": "55552", "w": "55775", "x": "55255",
    "y": "55222", "z": "71247", "0": "75557", "1": "26227", "2": "61247", "3": "61216", "4": "55711", "5": "74616",
    "6": "34757", "7": "71222", "8": "75757", "9": "75716", "-": "00700", ".": "00002", "/": "11244", ":": "02020",
}  # fmt: skip
_SIDE = 2  # pixels a square


def lettered(words: str) -> NDArray[np.bool_]:
    """Return where the words' ink is, (rows, columns): 10 pixels high; a sign that is not known is a gap."""
    columns: list[NDArray[np.bool_]] = []
    for sign in words.lower():
        rows = [int(digit) for digit in _ROWS.get(sign, "00000")]
        columns.append(np.array([[bool(row >> bit & 1) for bit in (2, 1, 0)] for row in rows]))
        columns.append(np.zeros((5, 1), bool))
    ink = np.concatenate(columns, axis=1) if columns else np.zeros((5, 0), bool)
    return np.kron(ink, np.ones((_SIDE, _SIDE), bool)).astype(bool)


def write_on(pixels: NDArray[np.uint8], words: str, *, row: int = 4, column: int = 4) -> None:
    """Put words onto a picture (rows, columns, red-green-blue), cut off at its edge."""
    ink = lettered(words)
    place = pixels[row : row + ink.shape[0], column : column + ink.shape[1]]
    place[ink[: place.shape[0], : place.shape[1]]] = (235, 235, 235)
