"""Whether a checkpoint was written whole. gem5 does not look at errors while it writes `m5.cpt`: a full disk leaves a
file that ends somewhere, and only a later restore would tell."""

import os


def problem(folder, system):
    """What is wrong with a checkpoint that has just been written; nothing when it is whole."""
    path = os.path.join(folder, "m5.cpt")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            sections = {line.strip()[1:-1] for line in file if line.startswith("[")}
    except OSError as error:
        return f"{path}: {error.strerror}"
    missing = [obj.path() for obj in system.descendants() if obj.path() not in sections]
    if missing:
        return f"{path} ends early: {len(missing)} objects are not in it, {missing[0]} for one; is the disk full?"
    # What is buffered must get to the disk before anybody relies on it.
    for name in os.listdir(folder):
        try:
            handle = os.open(os.path.join(folder, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            return f"{name}: {error.strerror}"
    return None
