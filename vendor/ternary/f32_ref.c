/* The float kernels in portable C. */
#define ISA ref
#include "f32_body.h"
