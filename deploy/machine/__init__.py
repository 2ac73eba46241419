"""`make serve` and `make reset`: everything on one machine, with the embedded back ends.

serve       the order of a start, and the programs' supervision until a signal
preflight   what must hold before anything is started: one instance, free ports, disk space
demo        the demo data, MovieLens 100K, from a wheel
first_data  the data that is ingested at the first start, and the note about it
endpoints   where things listen
commands    the commands of TorchServe, its management door, gateway and worker
waiting     what is shown until a release is live
ready       the block that ends the start
reset       delete what the machine has learned
"""
