/*
 * json_object.h - a jsonb object built field by field, with PostgreSQL's own jsonb builder.
 */
#ifndef XMCOH_PG_JSON_OBJECT_H
#define XMCOH_PG_JSON_OBJECT_H

#include "postgres.h"

#include "utils/jsonb.h"

/*
 * begin opens an object: the outermost one (`name` NULL, *state NULL), or a field of the one that is open. end closes
 * the innermost open object; at the outermost one it returns the finished value, else NULL. All is allocated in
 * CurrentMemoryContext; names and texts must live until the end.
 */
extern void xmcoh_json_begin(JsonbParseState **state, const char *name);
extern Jsonb *xmcoh_json_end(JsonbParseState **state);

/* A number as the shortest text that reads back as the same double; null for NaN and infinity. */
extern void xmcoh_json_number(JsonbParseState **state, const char *name, double value);
extern void xmcoh_json_text(JsonbParseState **state, const char *name, const char *value);
extern void xmcoh_json_bool(JsonbParseState **state, const char *name, bool value);

#endif
