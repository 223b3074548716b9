# The Worker's side of Commands: each changes the tables between two batches.
from libc.stdint cimport uint64_t
from sfu._fastpath.commands cimport Command, Reply
from sfu._fastpath.core cimport Core

cdef void apply_command(Core* c, Command* command, Reply* reply, uint64_t now_us) noexcept nogil
