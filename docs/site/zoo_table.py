"""`python docs/site/zoo_table.py`: writes the table of docs/zoo.md from the registry of keras_reid.zoo."""

from pathlib import Path

from keras_reid.zoo.listing import with_table

DOCUMENT = Path(__file__).parents[1] / "zoo.md"

if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
