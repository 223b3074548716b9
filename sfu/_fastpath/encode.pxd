# values.py -> Command bodies. Python objects end here; a value that does not fit raises ValueError.
from libc.stdint cimport uint32_t
from sfu._fastpath.commands cimport BindCommand, IceCommand, SrtpCommand, SubscribeCommand, TrackCommand

cdef int encode_ice(IceCommand* out, str ufrag, str pwd) except -1
cdef int encode_srtp(SrtpCommand* out, int profile, bytes rx, bytes tx) except -1
cdef int encode_track(TrackCommand* out, object spec) except -1
cdef int encode_subscription(SubscribeCommand* out, object spec) except -1
cdef int encode_map(BindCommand* out, uint32_t track, object payload_types) except -1
