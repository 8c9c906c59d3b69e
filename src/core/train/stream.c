/* stream.c - see stream.h */
#include "train/stream.h"
#include "xmcoh/train.h"

#include <math.h>
#include <string.h>

/* ---- streaming ---- */

xmc_status
xmc_stream_damaged(xmc_stream *c, const char *what)
{
	return xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s", what);
}

static xmc_status
read_whole(xmc_stream *c, void *data, size_t size)
{
	size_t		got = 0;

	XMC_TRY(c->hooks->read(c->hooks->arg, data, size, &got));
	return got == size ? XMC_OK : xmc_stream_damaged(c, "it ends too early");
}

xmc_status
xmc_stream_uncounted(xmc_stream *c, void *data, size_t size)
{
	return c->is_saving ? c->hooks->write(c->hooks->arg, data, size) : read_whole(c, data, size);
}

xmc_status
xmc_stream_bytes(xmc_stream *c, void *data, size_t size)
{
	if (size == 0)
		return XMC_OK;
	XMC_TRY(xmc_stream_uncounted(c, data, size));
	xmc_checksum_add(&c->sum, data, size);
	return XMC_OK;
}

xmc_status
xmc_stream_section(xmc_stream *c, const char *name, void *data, size_t size)
{
	uint64_t	length = size;

	XMC_TRY(xmc_stream_bytes(c, &length, sizeof length));
	if (length != size)
		return xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s has %llu bytes instead of %llu", name,
						(unsigned long long) length, (unsigned long long) size);
	return xmc_stream_bytes(c, data, size);
}

static xmc_status
check_finite(xmc_stream *c, const char *name, bool is_finite)
{
	return is_finite ? XMC_OK :
		xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s has a value that is not finite", name);
}

xmc_status
xmc_stream_floats(xmc_stream *c, const char *name, float *values, int64_t n)
{
	bool		is_finite = true;

	XMC_TRY(xmc_stream_section(c, name, values, (size_t) n * sizeof *values));
	for (int64_t k = 0; k < n && !c->is_saving; k++)
		is_finite &= isfinite(values[k]) != 0;
	return check_finite(c, name, is_finite);
}

xmc_status
xmc_stream_doubles(xmc_stream *c, const char *name, double *values, int64_t n)
{
	bool		is_finite = true;

	XMC_TRY(xmc_stream_section(c, name, values, (size_t) n * sizeof *values));
	for (int64_t k = 0; k < n && !c->is_saving; k++)
		is_finite &= isfinite(values[k]) != 0;
	return check_finite(c, name, is_finite);
}

xmc_status
xmc_stream_integer(xmc_stream *c, const char *name, int64_t *value, int64_t low, int64_t high)
{
	XMC_TRY(xmc_stream_bytes(c, value, sizeof *value));
	if (!c->is_saving && (*value < low || *value > high))
		return xmc_fail(c->ctx, XMC_BAD_MODEL, "the checkpoint is damaged: %s is out of bounds", name);
	return XMC_OK;
}

xmc_status
xmc_stream_int32(xmc_stream *c, const char *name, int32_t *value, int32_t low, int32_t high)
{
	int64_t		wide = *value;

	XMC_TRY(xmc_stream_integer(c, name, &wide, low, high));
	*value = (int32_t) wide;
	return XMC_OK;
}

xmc_status
xmc_stream_bool(xmc_stream *c, const char *name, bool *value, bool may_be)
{
	int64_t		wide = *value;

	XMC_TRY(xmc_stream_integer(c, name, &wide, 0, may_be));
	*value = wide != 0;
	return XMC_OK;
}

xmc_status
xmc_stream_figures(xmc_stream *c, int n, double *const *figure)
{
	for (int k = 0; k < n; k++)
		XMC_TRY(xmc_stream_bytes(c, figure[k], sizeof(double)));
	return XMC_OK;
}
