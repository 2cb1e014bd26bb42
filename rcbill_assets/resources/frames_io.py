"""Frames of assets as parquet files: one per asset and partition, whole or not there."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from dagster import InputContext, IOManager, OutputContext

from rcbill_assets.errors import SourceError
from rcbill_assets.files import write_whole
from rcbill_assets.resources.storage import Storage, to_parquet


class ParquetFrames(IOManager):
    """Keeps the newest frame of each asset (and partition) under the site's home."""

    def __init__(self, storage: Storage) -> None:
        self._folder = storage.assets

    def _path(self, context: InputContext | OutputContext) -> Path:
        name = context.asset_partition_key if context.has_asset_partitions else "latest"
        return self._folder.joinpath(*context.asset_key.path, f"{name}.parquet")

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write a frame; a step without one writes nothing."""
        if obj is None:
            return
        path = self._path(context)
        write_whole(path, to_parquet(obj))

    def load_input(self, context: InputContext) -> pd.DataFrame:
        """Return the newest frame of the upstream asset."""
        path = self._path(context)
        try:
            return pd.read_parquet(BytesIO(path.read_bytes()))
        except FileNotFoundError:
            raise SourceError(
                f"Asset {context.asset_key.to_user_string()} has no data yet: materialise it first (or the whole job)."
            ) from None
