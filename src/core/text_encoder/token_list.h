/* token_list.h - the ids of a text's tokens, at most so many; what comes after is not kept */
#ifndef XMCOH_TOKEN_LIST_H
#define XMCOH_TOKEN_LIST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct xmc_token_list
{
	int32_t    *id;				/* (room), n of them */
	int32_t		n;
	int32_t		room;
} xmc_token_list;

static inline bool
xmc_token_list_is_full(const xmc_token_list *list)
{
	return list->n == list->room;
}

static inline void
xmc_token_list_add(xmc_token_list *list, int32_t id)
{
	if (list->n < list->room)
		list->id[list->n++] = id;
}

#endif
