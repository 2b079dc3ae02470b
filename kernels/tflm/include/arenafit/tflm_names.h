// TFLM's names, in whichever namespace this TFLM has them.
//
// Until October 2026 its classes were in tflite:: and its C structs in no namespace; then both
// moved to tflite::micro::. Within namespace arenafit they are used unqualified, which finds them
// there or here.
#ifndef ARENAFIT_TFLM_NAMES_H_
#define ARENAFIT_TFLM_NAMES_H_

namespace tflite {
namespace micro {}
}  // namespace tflite

namespace arenafit {
using namespace ::tflite;
using namespace ::tflite::micro;
}  // namespace arenafit

#endif  // ARENAFIT_TFLM_NAMES_H_
