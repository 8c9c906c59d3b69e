/*
 * item.c - the items of recover_order, to text and to bytes and back; item.h is the contract.
 */
#include "query/item.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "base/portable.h"
#include "query/wire.h"

/* The first byte of a written item. */
#define AS_TEXT 't'
#define AS_RECORD 'r'

void
xmcoh_item_type(Oid type, MemoryContext context, ItemType *out)
{
	Oid			base = getBaseType(type);
	Oid			output;
	bool		is_varlena;

	*out = (ItemType) {.type = InvalidOid};
	get_typlenbyvalalign(type, &out->length, &out->by_value, &out->alignment);
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &out->output, context);
	switch (base)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case OIDOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case NAMEOID:
		case UUIDOID:
			out->is_plain = true;
			break;
		default:
			out->is_plain = type_is_enum(base);
			break;
	}
	out->type = type;			/* set last: after an ERROR above, the type still counts as not looked up */
}

void
xmcoh_item_texts(ItemType *type, int32 n, const Datum *item, char **text)
{
	int			level = type->is_plain ? 0 : xmcoh_portable_begin(true);

	for (int32 i = 0; i < n; i++)
		text[i] = OutputFunctionCall(&type->output, item[i]);
	if (!type->is_plain)
		xmcoh_portable_end(level);
}

/* ---- to bytes ---- */

static void write_value(StringInfo to, Oid type, FmgrInfo *output, Datum value);

/* Writes a column: its name, its type, its value. */
static void
write_column(StringInfo to, const FormData_pg_attribute *column, Datum value, bool is_null)
{
	char	   *type = format_type_extended(column->atttypid, -1, FORMAT_TYPE_FORCE_QUALIFY);
	FmgrInfo	output;
	Oid			function;
	bool		is_varlena;
	StringInfoData bytes;

	if (column->atttypid != RECORDOID && get_typtype(column->atttypid) == TYPTYPE_PSEUDO)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("an item that is a row with a column of type %s cannot be passed between processes", type),
				 errhint("Cast the row to a composite type, as in CREATE TYPE t AS (...) and ROW(...)::t.")));
	xmcoh_wire_bytes(to, NameStr(column->attname), (int32) strlen(NameStr(column->attname)));
	xmcoh_wire_bytes(to, type, (int32) strlen(type));
	if (is_null)
	{
		xmcoh_wire_bytes(to, NULL, -1);
		return;
	}
	getTypeOutputInfo(column->atttypid, &function, &is_varlena);
	fmgr_info(function, &output);
	initStringInfo(&bytes);
	write_value(&bytes, column->atttypid, &output, value);
	xmcoh_wire_bytes(to, bytes.data, bytes.len);
	pfree(bytes.data);
}

static void
write_record(StringInfo to, HeapTupleHeader record)
{
	TupleDesc	columns = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(record), HeapTupleHeaderGetTypMod(record));
	Datum	   *values = palloc(sizeof(Datum) * (Size) (columns->natts + 1));
	bool	   *nulls = palloc(sizeof(bool) * (Size) (columns->natts + 1));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(record), .t_data = record};
	int			n = 0;

	check_stack_depth();
	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, columns, values, nulls);
	for (int k = 0; k < columns->natts; k++)
		n += !TupleDescAttr(columns, k)->attisdropped;
	pq_sendint32(to, (uint32) n);
	for (int k = 0; k < columns->natts; k++)
		if (!TupleDescAttr(columns, k)->attisdropped)
			write_column(to, TupleDescAttr(columns, k), values[k], nulls[k]);
	ReleaseTupleDesc(columns);
	pfree(values);
	pfree(nulls);
}

static void
write_value(StringInfo to, Oid type, FmgrInfo *output, Datum value)
{
	char	   *text;

	if (type == RECORDOID)
	{
		pq_sendbyte(to, AS_RECORD);
		write_record(to, DatumGetHeapTupleHeader(value));
		return;
	}
	text = OutputFunctionCall(output, value);
	pq_sendbyte(to, AS_TEXT);
	pq_sendbytes(to, text, (int) strlen(text));
	pfree(text);
}

void
xmcoh_item_write(StringInfo to, ItemType *type, Datum item)
{
	write_value(to, type->type, &type->output, item);
}

/* ---- from bytes ---- */

static Datum read_value(StringInfo from, Oid type, Oid io_parameter, int32 typmod, FmgrInfo *input);

/* Reads a type, which was written as its name by format_type. */
static Oid
read_type(StringInfo from)
{
	int32		length;
	const char *name = xmcoh_wire_read_text(from, 1, &length);
	Oid			type = DatumGetObjectId(DirectFunctionCall1(regtypein, CStringGetDatum(pnstrdup(name, length))));
	char		kind = get_typtype(type);

	if (kind == '\0' || (kind == TYPTYPE_PSEUDO && type != RECORDOID))
		xmcoh_wire_bad("A column has a type that no column can have.");
	return type;
}

static Datum
read_record(StringInfo from)
{
	int32		n = xmcoh_wire_read_length(from, 0, 12);	/* a column has at least three lengths of 4 bytes */
	TupleDesc	columns;
	Datum	   *values;
	bool	   *nulls;

	check_stack_depth();
	if (n > MaxTupleAttributeNumber)
		xmcoh_wire_bad("A row has too many columns.");
	columns = CreateTemplateTupleDesc(n);
	values = palloc(sizeof(Datum) * (Size) (n + 1));
	nulls = palloc(sizeof(bool) * (Size) (n + 1));
	/* each column: its name, its type, its value or NULL */
	for (int32 k = 0; k < n; k++)
	{
		int32		length;
		const char *name = xmcoh_wire_read_text(from, 0, &length);
		Oid			type;
		Oid			function;
		Oid			io_parameter;
		FmgrInfo	input;
		const char *bytes;
		StringInfoData value;

		name = pnstrdup(name, length);
		type = read_type(from);
		TupleDescInitEntry(columns, (AttrNumber) (k + 1), name, type, -1, 0);
		bytes = xmcoh_wire_read_bytes(from, -1, &length);
		nulls[k] = bytes == NULL;
		values[k] = (Datum) 0;
		if (nulls[k])
			continue;
		getTypeInputInfo(type, &function, &io_parameter);
		fmgr_info(function, &input);
		value = (StringInfoData) {.data = unconstify(char *, bytes),.len = length};
		values[k] = read_value(&value, type, io_parameter, -1, &input);
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls));
}

static Datum
read_value(StringInfo from, Oid type, Oid io_parameter, int32 typmod, FmgrInfo *input)
{
	Datum		value;
	int			form = pq_getmsgbyte(from);

	if (form != (type == RECORDOID ? AS_RECORD : AS_TEXT))
		xmcoh_wire_bad("An item is of another kind.");
	if (form == AS_RECORD)
		value = read_record(from);
	else
	{
		int			length = from->len - from->cursor;
		const char *text = pq_getmsgbytes(from, length);

		if (memchr(text, 0, length) != NULL)
			xmcoh_wire_bad("A text has a zero byte.");
		(void) pg_verify_mbstr(GetDatabaseEncoding(), text, length, false);
		value = InputFunctionCall(input, pnstrdup(text, length), io_parameter, typmod);
	}
	pq_getmsgend(from);
	return value;
}

/* The CHECK of a domain is users' code, so it runs after xmcoh_portable_end, under the session's own settings. */
void
xmcoh_item_read(const ItemType *type, int32 n, StringInfo *from, Datum *item)
{
	int32		typmod = -1;
	Oid			base = getBaseTypeAndTypmod(type->type, &typmod);
	Oid			function;
	Oid			io_parameter;
	FmgrInfo	input;
	void	   *domain = NULL;
	int			level;

	getTypeInputInfo(base, &function, &io_parameter);
	fmgr_info(function, &input);
	level = xmcoh_portable_begin(false);
	for (int32 i = 0; i < n; i++)
		if (from[i] != NULL)
			item[i] = read_value(from[i], base, io_parameter, typmod, &input);
	xmcoh_portable_end(level);
	for (int32 i = 0; i < n && base != type->type; i++)
		if (from[i] != NULL)
			domain_check(item[i], false, type->type, &domain, CurrentMemoryContext);
}
