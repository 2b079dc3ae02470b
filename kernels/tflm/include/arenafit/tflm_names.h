// TFLM's names, in whichever namespace this TFLM has them; see arenafit/tflm_compat.h.
#ifndef ARENAFIT_TFLM_NAMES_H_
#define ARENAFIT_TFLM_NAMES_H_

namespace tflite {
namespace micro {}  // namespace micro
}  // namespace tflite

namespace arenafit {
namespace tflm {
using namespace tflite;         // NOLINT(build/namespaces)
using namespace tflite::micro;  // NOLINT(build/namespaces)
}  // namespace tflm
}  // namespace arenafit

#endif  // ARENAFIT_TFLM_NAMES_H_
