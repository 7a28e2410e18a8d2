"""The photos' digests, each photo read by one of the job's processes."""

import hashlib
from dataclasses import replace

import torch

from training.data.dataset import DataSet
from training.data.digests import file_digests
from training.errors import JobError
from training.workers import Workers

_BYTES = hashlib.sha256().digest_size


def shared_digests(data: DataSet, workers: Workers) -> DataSet:
    """The data set with its digests known.

    Raises JobError where the processes do not all see the same photos, DataError where one of them
    cannot read a photo of its share.
    """
    if workers.count == 1:
        return data
    names = [*data.names.values()]
    listed = hashlib.sha256("\0".join(names).encode()).hexdigest()
    if len(set(workers.gather(listed))) > 1:
        raise JobError(
            "the hosts of this job do not see the same photos: each needs the whole channel data "
            "(S3DataDistributionType FullyReplicated)"
        )
    mine = workers.share(torch.arange(len(names)))
    paths = [*data.names]
    found = file_digests([paths[at] for at in mine.tolist()]).values()
    rows = torch.tensor([[*bytes.fromhex(digest)] for digest in found], dtype=torch.uint8)
    digests = torch.empty((len(names), _BYTES), dtype=torch.uint8)
    digests[mine] = rows.reshape(-1, _BYTES)
    workers.fill(digests, mine)
    known = {name: row.tobytes().hex() for name, row in zip(names, digests.numpy(), strict=True)}
    return replace(data, known_digests=known)
