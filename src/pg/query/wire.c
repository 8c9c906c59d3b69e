/*
 * wire.c - the binary format of an aggregate's state; wire.h is the contract.
 */
#include "query/wire.h"

#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"

void
xmcoh_wire_bytes(StringInfo to, const char *bytes, int32 length)
{
	pq_sendint32(to, (uint32) length);
	if (length > 0)
		pq_sendbytes(to, bytes, length);
}

void
xmcoh_wire_floats(StringInfo to, const float *values, int32 length)
{
	pq_sendint32(to, (uint32) length);
	if (length <= 0)
		return;
	enlargeStringInfo(to, length * (int) sizeof(float));
	for (int32 k = 0; k < length; k++)
	{
		uint32		bits;

		memcpy(&bits, &values[k], sizeof bits);
		pq_writeint32(to, bits);
	}
}

void
xmcoh_wire_bad(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("not an aggregate state of xmcoh"),
			 errdetail_internal("%s", detail)));
	pg_unreachable();
}

int32
xmcoh_wire_read_length(StringInfo from, int32 least, int32 width)
{
	int32		length = (int32) pq_getmsgint(from, 4);

	if (length < least || length > (from->len - from->cursor) / width)
		xmcoh_wire_bad("A length is out of bounds.");
	return length;
}

const char *
xmcoh_wire_read_bytes(StringInfo from, int32 least, int32 *length)
{
	*length = xmcoh_wire_read_length(from, least, 1);
	return *length < 0 ? NULL : pq_getmsgbytes(from, *length);
}

const char *
xmcoh_wire_read_text(StringInfo from, int32 least, int32 *length)
{
	const char *bytes = xmcoh_wire_read_bytes(from, least, length);

	if (bytes == NULL)
		return NULL;
	if (memchr(bytes, 0, *length) != NULL)
		xmcoh_wire_bad("A text has a zero byte.");
	(void) pg_verify_mbstr(GetDatabaseEncoding(), bytes, *length, false);
	return bytes;
}

const float *
xmcoh_wire_read_floats(StringInfo from, int32 *length)
{
	float	   *values;

	*length = xmcoh_wire_read_length(from, -1, (int32) sizeof(float));
	if (*length < 0)
		return NULL;
	values = palloc(sizeof(float) * (Size) *length + 1);
	for (int32 k = 0; k < *length; k++)
		values[k] = pq_getmsgfloat4(from);
	return values;
}
