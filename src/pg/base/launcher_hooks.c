/* launcher_hooks.c - the place where the launcher leaves its hooks; see launcher_hooks.h */
#include "base/launcher_hooks.h"

const LauncherHooks *xmcoh_launcher_hooks = NULL;
