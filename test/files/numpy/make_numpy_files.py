"""The .npy and .npz files beside this one, written by NumPy: python make_numpy_files.py (NumPy 2.x)

Every array is value(i, j) = 1.5 i - 0.25 j over shape [3, 5] unless its name says otherwise.
"""
import pathlib
import numpy as np

here = pathlib.Path(__file__).parent
grid = 1.5 * np.arange(3)[:, None] - 0.25 * np.arange(5)

for name in ["float16", "float32", "float64"]:
    np.save(here / f"{name}.npy", grid.astype(name))
for name in ["int32", "int64"]:
    np.save(here / f"{name}.npy", (4 * grid).astype(name))
np.save(here / "uint8.npy", np.arange(6, dtype=np.uint8).reshape(2, 3))
np.save(here / "bool.npy", np.array([True, False, True]))
np.save(here / "scalar.npy", np.float32(7.5))
np.save(here / "vector.npy", np.arange(4, dtype=np.float32))
np.save(here / "empty.npy", np.zeros((0, 5), np.float32))
np.save(here / "fortran.npy", np.asfortranarray(np.arange(24, dtype=np.float32).reshape(2, 3, 4)))
np.save(here / "big-endian.npy", grid.astype(">f4"))
np.save(here / "structured.npy", np.zeros(2, [("a", np.float32), ("b", np.int32)]))
np.save(here / "complex.npy", np.zeros(2, np.complex64))
for version in [(2, 0), (3, 0)]:
    with open(here / f"version-{version[0]}.npy", "wb") as file:
        np.lib.format.write_array(file, grid.astype(np.float32), version=version)
np.savez(here / "stored.npz", a=grid.astype(np.float32), b=np.arange(3))
np.savez_compressed(here / "deflated.npz", a=np.tile(grid, (40, 1)).astype(np.float32), b=np.arange(3))
