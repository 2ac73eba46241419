"""The files of a training whose machines share no folder: they travel through a store."""
