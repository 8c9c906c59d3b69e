/*
 * buffer.h - libpq's buffer of growing text, PQExpBuffer. A buffer that runs out of memory becomes empty, and its
 * functions do nothing from then on: check_buffer sees that.
 */
#ifndef XMCOH_CLI_BUFFER_H
#define XMCOH_CLI_BUFFER_H

/* libpq's header takes types and a macro from a header that the server has. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#ifndef pg_attribute_printf
#define pg_attribute_printf(text, first) __attribute__((format(printf, text, first)))
#endif
#include "internal/pqexpbuffer.h"

/* Ends the program when a function of the buffer has run out of memory. */
extern void check_buffer(const PQExpBufferData *buffer);

#endif
