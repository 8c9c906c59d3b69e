/*
 * mapping.c - files mapped into this process, and the handler of SIGBUS; mapping.h is the contract.
 */
#include "base/mapping.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static Mapping *mappings = NULL;
static struct sigaction handler_before;
static uint32 losses = 0;

uint32
xmcoh_lost_mappings(void)
{
	return losses;
}

static Mapping *
find_mapping(const char *address)
{
	for (Mapping *m = mappings; m != NULL; m = m->next)
	{
		const char *start = m->bytes;

		if (address >= start && address < start + m->size)
			return m;
	}
	return NULL;
}

static void
on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	Mapping    *mapping = info->si_code > 0 ? find_mapping(info->si_addr) : NULL;

	(void) context;
	if (mapping == NULL)
	{
		/*
		 * Not a mapping of ours: the earlier handler gets the signal, when the instruction is tried again, or, if a process
		 * sent the signal, when it is sent again.
		 */
		(void) sigaction(signal_number, &handler_before, NULL);
		if (info->si_code <= 0)
			(void) kill(getpid(), signal_number);
		return;
	}
	mapping->is_lost = true;
	if (mapping->is_cache)
		(void) unlink(mapping->path);
	losses++;
	ereport(ERROR,
			errcode(ERRCODE_IO_ERROR),
			errmsg("could not read mapped file \"%s\"", mapping->path),
			errdetail("The file was truncated, or its disk failed, while the file was in use."),
			mapping->is_cache ? errhint("Run the statement again. The file is then written again from the table.") : 0);
}

bool
xmcoh_mapping_begin(Mapping *mapping, int fd, size_t size, int protection)
{
	static bool handled = false;
	void	   *bytes;

	if (!handled)
	{
		/* SA_NODEFER: the handler does not return, so the signal would stay blocked. */
		struct sigaction action = {.sa_sigaction = on_bus_error,.sa_flags = SA_SIGINFO | SA_NODEFER};

		sigemptyset(&action.sa_mask);
		if (sigaction(SIGBUS, &action, &handler_before) != 0)
			return false;
		handled = true;
	}
	bytes = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return false;
	mapping->bytes = bytes;
	mapping->size = size;
	mapping->is_lost = false;
	mapping->next = mappings;
	mappings = mapping;
	return true;
}

void
xmcoh_mapping_end(Mapping *mapping)
{
	if (mapping->bytes == NULL)
		return;
	for (Mapping **link = &mappings; *link != NULL; link = &(*link)->next)
	{
		if (*link == mapping)
		{
			*link = mapping->next;
			break;
		}
	}
	(void) munmap(mapping->bytes, mapping->size);
	mapping->bytes = NULL;
}
