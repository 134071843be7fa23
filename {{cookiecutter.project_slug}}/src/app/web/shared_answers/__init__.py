"""One answer for several requests that ask for the same: at the same time, and for a while after that if so declared.

router = APIRouter(prefix="/v1/rooms", route_class=SharingRoute)
Rooms = Annotated[None, shared_answer(fresh=5, if_failing=300, among=Audience.TENANT, tags=["rooms:{tenant}"])]

@router.get("")
async def list_rooms(caller: ReadRooms, _shared: Rooms, service: RoomsService) -> Page[Room]: ...
"""
