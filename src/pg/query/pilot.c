/*
 * pilot.c - the SQL function pilot_report: what a pilot has cost and what it brings, in figures and in sentences for managers.
 *
 * A sentence claims no more than the figures of its row. A new language is a value of Language with a name (arguments.c) and a
 * column of `sentences`.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/access.h"
#include "base/xmcoh.h"
#include "model/weights.h"
#include "query/arguments.h"
#include "query/metrics.h"
#include "query/phrases.h"

#include "xmcoh/covered.h"
#include "xmcoh/group_mean.h"
#include "xmcoh/results.h"

PG_FUNCTION_INFO_V1(xmcoh_pilot_report);

#define PROMISED_PRECISION 0.95

typedef enum Measure
{
	APPROVED_DOCUMENTS, DECISIONS, EFFORT_HOURS, EFFORT_COST, TAU, ACC, PMR, DOCUMENTS_PASSING, PAIRS_PASSING, ERRORS_FOUND,
	HOURS_SAVED, MONEY_SAVED, BREAK_EVEN, MEASURES
} Measure;

/* What can be said of a measure. */
typedef enum Knowledge
{
	KNOWN,
	TOO_FEW,					/* documents to tell */
	NONE,						/* there is nothing to count */
	KNOWLEDGES
} Knowledge;

static const struct
{
	const char *name;
	const char *unit;
}			measures[MEASURES] = {
	[APPROVED_DOCUMENTS] = {"approved_documents", "documents"}, [DECISIONS] = {"decisions", "decisions"},
	[EFFORT_HOURS] = {"effort_hours", "hours"}, [EFFORT_COST] = {"effort_cost", "money"}, [TAU] = {"tau", "tau"},
	[ACC] = {"acc", "share"}, [PMR] = {"pmr", "share"}, [DOCUMENTS_PASSING] = {"documents_passing", "share"},
	[PAIRS_PASSING] = {"pairs_passing", "share"}, [ERRORS_FOUND] = {"errors_found", "share"},
	[HOURS_SAVED] = {"hours_saved", "hours a month"}, [MONEY_SAVED] = {"money_saved", "money a month"},
	[BREAK_EVEN] = {"break_even", "months"}
};

/* ---- sentences ---- */

/* $1 is the value, $2 its interval or nothing, $3 and $4 are what the measure is about. */
static const char *const sentences[LANGUAGES][MEASURES][KNOWLEDGES] = {
	[ENGLISH] = {
		[APPROVED_DOCUMENTS] = {
			"The model has learned from $1 approved documents.",
			[NONE] = "This version was not trained here, so how many documents it has learned from is not known."
		},
		[DECISIONS] = {"Decisions that people have made so far: $1."},
		[EFFORT_HOURS] = {"At $3 minutes each, the decisions took $1 hours. Orders that the sources themselves mark as approved are not counted."},
		[EFFORT_COST] = {"At $3 an hour, that is $1."},
		[TAU] = {
			"On $3 documents that the model had not learned from, its order and the right one agree by a Kendall tau of $1$2; 0 is chance, 1 is all right.",
			[NONE] = "How good the recovered orders are was not recorded. Train the model again."
		},
		[ACC] = {"$1 of the steps stand at the right place$2; by chance it would be $3.", [NONE] = "How many steps stand at the right place was not recorded."},
		[PMR] = {"$1 of the documents are right as a whole$2; by chance it would be $3.", [NONE] = "How many documents are right as a whole was not recorded."},
		[DOCUMENTS_PASSING] = {
			"$1 of the documents can go through without a person$2, if at least $3 of these must be right.",
			"Too few to tell how many documents can go through without a person: $3 were measured, and at least $4 are needed.",
			"No document can go through without a person yet, if at least $3 of these must be right."
		},
		[PAIRS_PASSING] = {
			"For $1 of the pairs of steps the model's answer can stand without a person$2, if at least $3 of these must be right.",
			"Too few to tell for how many pairs of steps the model's answer can stand: $3 were measured, and at least $4 are needed.",
			"For no pair of steps can the model's answer stand without a person yet, if at least $3 of these must be right."
		},
		[ERRORS_FOUND] = {
			"Of pairs of steps that are stored the wrong way round, the check finds $1$2. It leaves $3 of the documents in right order alone.",
			"Too few to tell how many errors the check finds: $3 were measured, and at least $4 are needed.",
			"The check is not sure enough of any pair of steps to find errors yet."
		},
		[HOURS_SAVED] = {
			"Documents that go through without a person save $1 hours a month$2, at $3 documents a month and $4 minutes each.",
			"Too few to tell how many hours a month documents that go through without a person save.", "No hours are saved yet."
		},
		[MONEY_SAVED] = {
			"At $3 an hour, these hours are worth $1 a month$2.", "Too few to tell how much money a month is saved.", "No money is saved yet."
		},
		[BREAK_EVEN] = {
			"The effort so far is paid back after $1 months$2.", "Too few to tell when the effort so far is paid back.",
			"The effort so far is not paid back, because nothing is saved yet."
		}
	},
	[JAPANESE] = {
		[APPROVED_DOCUMENTS] = {
			"モデルは承認済みの文書$1件から学習しました。",
			[NONE] = "このバージョンはここで学習したものではないため、学習に使った文書の数は分かりません。"
		},
		[DECISIONS] = {"これまでに人が行った判断は$1件です。"},
		[EFFORT_HOURS] = {"判断1件を$3分とすると、かかった時間は$1時間です。元の表で承認済みとされた順序は含みません。"},
		[EFFORT_COST] = {"1時間あたり$3とすると、費用は$1です。"},
		[TAU] = {
			"学習に使っていない文書$3件で、モデルの順序と正しい順序との一致度(ケンドールのτ)は$1です$2。0は偶然と同じ、1はすべて正しいことを表します。",
			[NONE] = "順序の正しさは記録されていません。もう一度学習してください。"
		},
		[ACC] = {"手順の$1が正しい位置にあります$2。偶然なら$3です。", [NONE] = "正しい位置にある手順の割合は記録されていません。"},
		[PMR] = {"文書の$1は全体の順序が正しくなります$2。偶然なら$3です。", [NONE] = "全体の順序が正しい文書の割合は記録されていません。"},
		[DOCUMENTS_PASSING] = {
			"通した文書の$3以上が正しいことを条件にすると、文書の$1は人の確認なしで通せます$2。",
			"人の確認なしで通せる文書の割合は、件数が少なすぎて分かりません。測定したのは$3で、少なくとも$4が必要です。",
			"通した文書の$3以上が正しいことを条件にすると、人の確認なしで通せる文書はまだありません。"
		},
		[PAIRS_PASSING] = {
			"採用した答えの$3以上が正しいことを条件にすると、二つの手順の組の$1ではモデルの答えを人の確認なしで採用できます$2。",
			"人の確認なしで答えを採用できる手順の組の割合は、件数が少なすぎて分かりません。測定したのは$3で、少なくとも$4が必要です。",
			"採用した答えの$3以上が正しいことを条件にすると、人の確認なしで答えを採用できる手順の組はまだありません。"
		},
		[ERRORS_FOUND] = {
			"逆の順に保存された二つの手順の組のうち、検査は$1を見つけます$2。順序の正しい文書の$3には何も指摘しません。",
			"検査が見つける誤りの割合は、件数が少なすぎて分かりません。測定したのは$3で、少なくとも$4が必要です。",
			"誤りを見つけられるほど検査が確信できる手順の組は、まだありません。"
		},
		[HOURS_SAVED] = {
			"人の確認なしで通せる文書により、月に$3件、1件$4分とすると、月に$1時間の節約になります$2。",
			"節約できる時間は、件数が少なすぎて分かりません。", "節約できる時間はまだありません。"
		},
		[MONEY_SAVED] = {
			"1時間あたり$3とすると、月に$1の節約になります$2。", "節約できる金額は、件数が少なすぎて分かりません。",
			"節約できる金額はまだありません。"
		},
		[BREAK_EVEN] = {
			"これまでの費用は$1か月で回収できます$2。", "これまでの費用をいつ回収できるかは、件数が少なすぎて分かりません。",
			"まだ何も節約できていないため、これまでの費用は回収できません。"
		}
	}
};

/* How many documents or groups of documents there are. */
static const char *const counts[LANGUAGES][2] = {
	[ENGLISH] = {"%d documents", "%d groups"},[JAPANESE] = {"文書%d件", "%dグループ"}
};

/* An interval as $2; and one without an upper end. */
static const char *const intervals[LANGUAGES] = {
	[ENGLISH] = " (95%% interval: %s to %s)",[JAPANESE] = "(95%%信頼区間: %sから%s)"
};
static const char *const open_intervals[LANGUAGES] = {
	[ENGLISH] = " (95%% interval: %s or more; perhaps never)",[JAPANESE] = "(95%%信頼区間: %s以上、回収できない可能性もあります)"
};

/* ---- rows ---- */

typedef struct PilotReport
{
	ReturnSetInfo *result;
	Language	language;
	const xmc_model *model;
	double		minutes_per_document;
	double		minutes_per_review;
	double		cost_per_hour;
	double		documents_per_month;
} PilotReport;

/* What a row says; a number of NaN is NULL. */
typedef struct Row
{
	Measure		measure;
	Knowledge	knowledge;
	xmc_interval value;
	const char *about[2];		/* $3 and $4 of the sentence */
} Row;

/* How numbers of a unit are written. */
static char *
number_text(Measure measure, double number)
{
	if (strcmp(measures[measure].unit, "share") == 0)
		return psprintf(fabs(number) < 0.0995 ? "%.1f%%" : "%.0f%%", 100 * number);
	if (measure == TAU)
		return psprintf("%.2f", number);
	return psprintf(number == floor(number) || fabs(number) >= 100 ? "%.0f" : fabs(number) < 0.995 ? "%.2f" : "%.1f", number);
}

static char *
share_text(double share)
{
	return number_text(ACC, share);
}

/* A number of the caller, without more digits than it has. */
static char *
given_text(double number)
{
	return psprintf("%.6g", number);
}

static const char *
interval_text(Language language, const Row *row)
{
	if (isnan(row->value.low))
		return "";
	if (isnan(row->value.high))
		return psprintf(xmcoh_phrase(open_intervals[language]), number_text(row->measure, row->value.low));
	return psprintf(xmcoh_phrase(intervals[language]), number_text(row->measure, row->value.low),
					number_text(row->measure, row->value.high));
}

/* The sentence of a row, with its arguments. */
static char *
sentence_text(Language language, const Row *row)
{
	const char *rest = xmcoh_phrase(sentences[language][row->measure][row->knowledge]);
	const char *argument[] = {
		isnan(row->value.mean) ? "" : number_text(row->measure, row->value.mean), interval_text(language, row),
		row->about[0] ? row->about[0] : "", row->about[1] ? row->about[1] : ""
	};
	StringInfoData text;

	initStringInfo(&text);
	for (const char *next; (next = strchr(rest, '$')) != NULL; rest = next + 2)
	{
		appendBinaryStringInfo(&text, rest, (int) (next - rest));
		appendStringInfoString(&text, argument[next[1] - '1']);
	}
	appendStringInfoString(&text, rest);
	return text.data;
}

static void
put_row(const PilotReport *report, const Row *row)
{
	double		number[3] = {row->value.mean, row->value.low, row->value.high};
	Datum		values[6] = {CStringGetTextDatum(measures[row->measure].name)};
	bool		nulls[6] = {false};

	for (int k = 0; k < 3; k++)
	{
		values[1 + k] = Float8GetDatum(number[k]);
		nulls[1 + k] = isnan(number[k]);
	}
	values[4] = CStringGetTextDatum(measures[row->measure].unit);
	values[5] = CStringGetTextDatum(sentence_text(report->language, row));
	tuplestore_putvalues(report->result->setResult, report->result->setDesc, values, nulls);
}

/* A number without an interval. */
static xmc_interval
just(double number)
{
	return (xmc_interval) {number, NAN, NAN};
}

static xmc_interval
times(xmc_interval value, double factor)
{
	return (xmc_interval) {value.mean * factor, value.low * factor, value.high * factor};
}

/* ---- effort ---- */

/* The number that a query gives, as the extension's owner or the caller; NaN for NULL. Needs SPI. */
static double
query_number(const char *query, bool as_owner, int32 model_id, int32 version)
{
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2] = {Int32GetDatum(model_id), Int32GetDatum(version)};
	Oid			user;
	int			security;
	bool		isnull = true;
	Datum		number = (Datum) 0;

	GetUserIdAndSecContext(&user, &security);
	if (as_owner)
		SetUserIdAndSecContext(xmcoh_extension_owner(), security | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_execute_with_args(query, 2, types, values, NULL, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not count what people did");
	SetUserIdAndSecContext(user, security);
	if (SPI_processed > 0)
		number = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	return isnull ? NAN : DatumGetFloat8(number);
}

/* Rows of what the pilot took; returns its cost. */
static double
put_effort(const PilotReport *report, const DeployedModel *deployed)
{
	double		documents = query_number("SELECT xmcoh.report_integer(v.report, 'documents')::pg_catalog.float8 FROM xmcoh.model_version AS v"
										 " WHERE v.model_id OPERATOR(pg_catalog.=) $1 AND v.version OPERATOR(pg_catalog.=) $2",
										 false, deployed->model_id, deployed->version);
	/* How many there are is no secret, unlike what they say. Each took time, also one that was withdrawn. */
	double		decisions = query_number("SELECT pg_catalog.count(*)::pg_catalog.float8 FROM xmcoh.decision AS d"
										 " WHERE d.model_id OPERATOR(pg_catalog.=) $1 AND $2 IS NOT NULL",
										 true, deployed->model_id, deployed->version);
	double		hours = decisions * report->minutes_per_review / 60;
	double		cost = hours * report->cost_per_hour;

	put_row(report, &(Row) {APPROVED_DOCUMENTS, isnan(documents) ? NONE : KNOWN, just(documents), {NULL}});
	put_row(report, &(Row) {DECISIONS, KNOWN, just(decisions), {NULL}});
	put_row(report, &(Row) {EFFORT_HOURS, KNOWN, just(hours), {given_text(report->minutes_per_review)}});
	put_row(report, &(Row) {EFFORT_COST, KNOWN, just(cost), {given_text(report->cost_per_hour)}});
	return cost;
}

/* ---- figures of order ---- */

/* The fused orders of the record's documents, (n) each. */
typedef struct Orders
{
	int32		n;
	int32		groups;
	int32	   *group;
	double	   *items;
	double	   *matches;
	double	   *perfect;
	double	   *tau;
	double		random_matches; /* sums over documents */
	double		random_perfect;
	double		all_items;
} Orders;

static Orders
recorded_orders(const xmc_model *model)
{
	Size		n = (Size) Max(model->results.n, 1);
	Orders		orders = {.group = palloc_extended(sizeof(int32) * n, MCXT_ALLOC_HUGE)};
	double	   *numbers = palloc_extended(4 * sizeof(double) * n, MCXT_ALLOC_HUGE);

	orders.items = numbers;
	orders.matches = numbers + n;
	orders.perfect = numbers + 2 * n;
	orders.tau = numbers + 3 * n;
	for (int32 r = 0; r < model->results.n; r++)
	{
		xmc_found_result found;
		const xmc_recorded_order *order = &found.result.order[XMC_SCORE_FUSED];

		if (!xmc_results_get(model, r, &found))
			continue;
		orders.group[orders.n] = found.group;
		orders.groups = Max(orders.groups, found.group + 1);
		orders.items[orders.n] = order->items;
		orders.matches[orders.n] = order->matches;
		orders.perfect[orders.n] = order->perfect;
		orders.tau[orders.n] = order->tau == XMC_NOT_MEASURED ? NAN : order->tau;
		orders.n++;
		orders.random_matches += order->random_matches;
		orders.random_perfect += order->random_perfect;
		orders.all_items += order->items;
	}
	return orders;
}

static void
put_order_row(const PilotReport *report, const Orders *orders, Measure measure, const double *value, const double *weight,
			  double lowest, char *about)
{
	Row			row = {measure, KNOWN,.about = {about}};
	xmc_ctx		ctx = xmcoh_context();

	XMCOH_TRY(xmc_bootstrap_groups(&ctx, orders->n, value, weight, orders->group, XMC_BOOTSTRAP_REPLICATES, XMCOH_BOOTSTRAP_SEED,
								   &row.value), &ctx);
	if (orders->groups < XMC_MIN_INTERVAL_GROUPS)
		row.value.low = row.value.high = NAN;
	else if (!isnan(row.value.low))
		xmc_widen(&row.value, report->model->results.widening[XMC_SCORE_FUSED], lowest, 1);
	row.knowledge = isnan(row.value.mean) ? NONE : KNOWN;
	put_row(report, &row);
}

static void
put_orders(const PilotReport *report)
{
	Orders		orders = recorded_orders(report->model);
	double		n = Max(orders.n, 1);

	put_order_row(report, &orders, TAU, orders.tau, NULL, -1, psprintf("%d", orders.n));
	put_order_row(report, &orders, ACC, orders.matches, orders.items, 0, share_text(orders.random_matches / Max(orders.all_items, 1)));
	put_order_row(report, &orders, PMR, orders.perfect, NULL, 0, share_text(orders.random_perfect / n));
}

/* ---- return ---- */

static Knowledge
knowledge_of(const xmc_coverage *coverage)
{
	return coverage->state == XMC_COVERAGE_REACHED ? KNOWN : coverage->state == XMC_COVERAGE_TOO_FEW ? TOO_FEW : NONE;
}

/* A row of what passes or is found at a level; returns what was measured. */
static xmc_coverage
put_covered(const PilotReport *report, Measure measure, xmc_coverage_level level)
{
	xmc_ctx		ctx = xmcoh_context();
	xmc_covered covered;
	const xmc_coverage *coverage = &covered.coverage;
	Row			row = {.measure = measure};

	XMCOH_TRY(xmc_covered_by_record(&ctx, report->model, level, PROMISED_PRECISION, NULL, 0, NULL, &covered), &ctx);
	row.knowledge = knowledge_of(coverage);
	row.value = coverage->share;
	if (row.knowledge == NONE)
		row.value.low = row.value.high = row.value.mean;
	if (row.knowledge == TOO_FEW)
	{
		const char *count = xmcoh_phrase(counts[report->language][coverage->groups < covered.documents]);

		row.about[0] = psprintf(count, coverage->groups);
		row.about[1] = psprintf(count, coverage->needed_groups);
	}
	else
		row.about[0] = share_text(row.knowledge == KNOWN && level == XMC_COVERED_VIOLATIONS ? coverage->precision.mean
								  : PROMISED_PRECISION);
	put_row(report, &row);
	return *coverage;
}

/* Months until a sum is saved: more months where less is saved. */
static xmc_interval
months_until(double cost, xmc_interval saved)
{
	return (xmc_interval) {
		.mean = cost / saved.mean,
		.low = cost / saved.high,
		.high = saved.low > 0 ? cost / saved.low : NAN
	};
}

static void
put_return(const PilotReport *report, double cost)
{
	xmc_coverage documents = put_covered(report, DOCUMENTS_PASSING, XMC_COVERED_DOCUMENTS);
	Knowledge	knowledge = knowledge_of(&documents);
	xmc_interval hours = times(documents.share, report->documents_per_month * report->minutes_per_document / 60);
	xmc_interval money = times(hours, report->cost_per_hour);

	put_covered(report, PAIRS_PASSING, XMC_COVERED_PAIRS);
	put_covered(report, ERRORS_FOUND, XMC_COVERED_VIOLATIONS);
	put_row(report, &(Row) {HOURS_SAVED, knowledge, hours,
			{given_text(report->documents_per_month), given_text(report->minutes_per_document)}});
	put_row(report, &(Row) {MONEY_SAVED, knowledge, money, {given_text(report->cost_per_hour)}});
	if (knowledge == KNOWN && !(money.mean > 0))
		knowledge = NONE;
	put_row(report, &(Row) {BREAK_EVEN, knowledge, knowledge == KNOWN ? months_until(cost, money) : just(NAN), {NULL}});
}

/* ---- the function ---- */

/* A number of at least 0. */
static double
amount_argument(NullableDatum argument, const char *name)
{
	double		amount;

	if (argument.isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be NULL", name)));
	amount = DatumGetFloat8(argument.value);
	if (!(amount >= 0 && amount <= 1e12))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be between 0 and 1e12", name)));
	return amount;
}

Datum
xmcoh_pilot_report(PG_FUNCTION_ARGS)
{
	text	   *name = xmcoh_model_argument(fcinfo->args[0]);
	PilotReport report = {
		.result = (ReturnSetInfo *) fcinfo->resultinfo,
		.minutes_per_document = amount_argument(fcinfo->args[1], "minutes_per_document"),
		.minutes_per_review = amount_argument(fcinfo->args[2], "minutes_per_review"),
		.cost_per_hour = amount_argument(fcinfo->args[3], "cost_per_hour"),
		.documents_per_month = amount_argument(fcinfo->args[4], "documents_per_month"),
		.language = xmcoh_language_argument(fcinfo->args[5])
	};
	DeployedModel deployed;
	double		cost;

	InitMaterializedSRF(fcinfo, 0);
	deployed = xmcoh_find_deployed(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	report.model = deployed.model;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	cost = put_effort(&report, &deployed);
	put_orders(&report);
	put_return(&report, cost);
	SPI_finish();
	return (Datum) 0;
}
