/* Files of dynamic-security from outside: refused with a place and a reason, or a policy that loads. The first line is
 * the tenant. */
#include "importing_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return import_any(import_dynsec, data, size);
}
