// sdlprobe prints what a game that uses SDL 2 sees of game controllers: one line for each that is found, and for each
// press, release and movement, until it is killed. The few declarations it needs are here, so that it builds without
// SDL's headers.
#include <stdint.h>
#include <stdio.h>

typedef struct { uint8_t data[16]; } SDL_JoystickGUID;
typedef union {
	uint32_t type;
	struct { uint32_t type, timestamp; int32_t which; uint8_t axis, padding[3]; int16_t value; } axis;
	struct { uint32_t type, timestamp; int32_t which; uint8_t button, state; } button;
	uint8_t room[128];
} SDL_Event;

int SDL_Init(uint32_t flags);
const char *SDL_GetError(void);
int SDL_WaitEvent(SDL_Event *event);
void *SDL_GameControllerOpen(int index);
const char *SDL_GameControllerName(void *controller);
const char *SDL_GameControllerGetStringForButton(int button);
const char *SDL_GameControllerGetStringForAxis(int axis);
SDL_JoystickGUID SDL_JoystickGetDeviceGUID(int index);
void SDL_JoystickGetGUIDString(SDL_JoystickGUID guid, char *text, int size);

int main(void) {
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (SDL_Init(0x2000) != 0) { // SDL_INIT_GAMECONTROLLER
		printf("error %s\n", SDL_GetError());
		return 1;
	}
	puts("waiting");
	SDL_Event e;
	while (SDL_WaitEvent(&e)) {
		switch (e.type) {
		case 0x650:
			printf("axis %s %d\n", SDL_GameControllerGetStringForAxis(e.axis.axis), e.axis.value);
			break;
		case 0x651:
		case 0x652:
			printf("button %s %d\n", SDL_GameControllerGetStringForButton(e.button.button), e.button.state);
			break;
		case 0x653: {
			char guid[64];
			SDL_JoystickGetGUIDString(SDL_JoystickGetDeviceGUID(e.button.which), guid, sizeof guid);
			void *c = SDL_GameControllerOpen(e.button.which);
			printf("found %s %s\n", guid, c ? SDL_GameControllerName(c) : SDL_GetError());
		}
		}
	}
	return 0;
}
