"""Tables that others made, CSV, TSV or Parquet, with what they claim held against their size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cuelens.errors import InputError
from cuelens.input_file import open_regular

if TYPE_CHECKING:
    import pandas as pd

TABLE_TYPES = (".csv", ".tsv", ".parquet")
MAX_TABLE_BYTES = 2**30
_CELLS_ANYWAY = 10_000_000  # 80 MB of numbers
_CELLS_A_BYTE = 1000  # a column of one value takes a bit a row or less


def read_frame(path: Path, *, dtype: Any, keep_default_na: bool = True) -> pd.DataFrame:
    """A table as it is in the file.

    Parameters
    ----------
    path : Path
        Its ending says what it is.
    dtype, keep_default_na
        Of ``pandas.read_csv``; Parquet says itself what its columns are.

    Raises
    ------
    InputError
        Missing, no regular file, empty, above 1 GB, no table, or a Parquet file that claims many
        more values than its bytes could hold.
    """
    import pandas as pd

    with open_regular(path, expected=f"a table ({', '.join(TABLE_TYPES)})") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if size > MAX_TABLE_BYTES:
            raise InputError(f"{path}: {size / 2**30:.1f} GB; expected a table of 1 GB at most")
        try:
            if path.suffix.lower() == ".parquet":
                _refuse_claims(path, file, size)
                frame = pd.read_parquet(file)
                for part in (frame, frame.index.to_frame()):
                    for _, column in part.items():
                        if pd.api.types.is_string_dtype(column):
                            column.to_numpy(dtype=object)  # text that is no UTF-8 fails here
                return frame
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            return pd.read_csv(
                file,
                sep=separator,
                dtype=dtype,
                keep_default_na=keep_default_na,
                encoding="utf-8-sig",
            )
        except InputError:
            raise
        except Exception as error:  # pandas and pyarrow raise what their parts raise
            reason = (str(error).splitlines() or [""])[0] or type(error).__name__
            raise InputError(f"{path}: cannot be read as a table ({reason})") from error


def _refuse_claims(path: Path, file: Any, size: int) -> None:
    import pyarrow.parquet as pq

    about = pq.read_metadata(file)
    file.seek(0)
    cells = about.num_rows * max(1, about.num_columns)
    if cells > max(_CELLS_ANYWAY, _CELLS_A_BYTE * size):
        raise InputError(
            f"{path}: claims {about.num_rows} rows of {about.num_columns} columns in {size} bytes; "
            "expected a table that could hold them: write it again"
        )
