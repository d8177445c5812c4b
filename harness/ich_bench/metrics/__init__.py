"""What one pair of masks scores: counts, surfaces, lesions and volumes, under the native or a published protocol.

There are two ways to the same numbers. The plain one is the definition: `overlap`, `surface` (through DeepMind's
surface-distance) and `lesions` (through SciPy's labels) look at every voxel. The fast one, in the order to read it:

1. `packed`: a mask is bits, cropped to the box that holds them. Outside all is 0, so that nothing is lost.
2. `corners`: OR and AND of neighbouring bits say where the surface is, and each corner's eight voxels are its code.
3. `surfels`: a code is an area; the table of 256 is built from six shapes and their symmetry.
4. `nearest`: from each corner, steps in the order of their length until one meets the other surface; a search tree for
   the few that lie further away.
5. `components`: runs of voxels that touch are one lesion.
6. `side` holds what follows from one mask, once; `pair` puts two of them together; `scoring` makes the row.

`tests/test_metrics_pair.py` holds each step against its plain definition, `benchmarks/engine_oracle.py` all of them
together against the plain way, on as many drawn pairs as one has patience for.
"""
