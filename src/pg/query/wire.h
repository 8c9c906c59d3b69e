/*
 * wire.h - the binary format of an aggregate's state: bytes, texts and floats, each with its length, in network byte order.
 *
 * A length of -1 stands for NULL. Reading checks everything, because the bytes may come from anywhere.
 */
#ifndef XMCOH_PG_WIRE_H
#define XMCOH_PG_WIRE_H

#include "postgres.h"

#include "lib/stringinfo.h"

extern void xmcoh_wire_bytes(StringInfo to, const char *bytes, int32 length);
extern void xmcoh_wire_floats(StringInfo to, const float *values, int32 length);

/* ERROR invalid_binary_representation; the detail is a whole sentence. */
extern _Noreturn void xmcoh_wire_bad(const char *detail);

/* A length, at least `least`; so many elements of `width` bytes each must follow. */
extern int32 xmcoh_wire_read_length(StringInfo from, int32 least, int32 width);

/* At least `least` bytes, inside `from`. */
extern const char *xmcoh_wire_read_bytes(StringInfo from, int32 least, int32 *length);

/* The same, checked to be a text in the server's encoding, because values of the database are made of it. */
extern const char *xmcoh_wire_read_text(StringInfo from, int32 least, int32 *length);

/* Floats, allocated in the current context. */
extern const float *xmcoh_wire_read_floats(StringInfo from, int32 *length);

#endif
