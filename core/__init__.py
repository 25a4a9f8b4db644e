"""The method, pure: arrays and values in, arrays and values out. No Prefect, no SQL, no network."""
