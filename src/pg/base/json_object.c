/* json_object.c - a jsonb object built field by field; see json_object.h */
#include "base/json_object.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/numeric.h"

static void
push_name(JsonbParseState **state, const char *name)
{
	JsonbValue	key = {.type = jbvString};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &key);
}

void
xmcoh_json_begin(JsonbParseState **state, const char *name)
{
	if (name != NULL)
		push_name(state, name);
	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
}

Jsonb *
xmcoh_json_end(JsonbParseState **state)
{
	JsonbValue *object = pushJsonbValue(state, WJB_END_OBJECT, NULL);

	return *state == NULL ? JsonbValueToJsonb(object) : NULL;
}

void
xmcoh_json_number(JsonbParseState **state, const char *name, double value)
{
	JsonbValue	number = {.type = jbvNull};

	push_name(state, name);
	if (isfinite(value))
	{
		/* By way of the text: the cast from float8 to numeric keeps 15 digits only. */
		number.type = jbvNumeric;
		number.val.numeric = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(float8out_internal(value)),
																 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	}
	(void) pushJsonbValue(state, WJB_VALUE, &number);
}

void
xmcoh_json_text(JsonbParseState **state, const char *name, const char *value)
{
	JsonbValue	text = {.type = jbvString};

	text.val.string.val = pstrdup(value);
	text.val.string.len = strlen(value);
	push_name(state, name);
	(void) pushJsonbValue(state, WJB_VALUE, &text);
}

void
xmcoh_json_bool(JsonbParseState **state, const char *name, bool value)
{
	JsonbValue	boolean = {.type = jbvBool};

	boolean.val.boolean = value;
	push_name(state, name);
	(void) pushJsonbValue(state, WJB_VALUE, &boolean);
}
