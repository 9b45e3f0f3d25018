"""Reading the law: domains, departments, list types, matters, measures, working days."""

from typing import Annotated

from fastapi import APIRouter, Depends

from app.catalogue import schemas
from app.catalogue.queries import read_current_catalogue
from app.http.deps import RegistryDep, needs
from app.http.problems import problems
from app.rules.law import Catalogue, Domain, PlannedBody
from app.rules.permissions import Permission

router = APIRouter(
    prefix="/v1",
    tags=["Catalogue"],
    dependencies=[needs(Permission.catalogue_read)],
    responses=problems(),
)


def read_catalogue(registry: RegistryDep) -> Catalogue:
    """The catalogue of today."""
    with registry.database.reading() as connection:
        return read_current_catalogue(registry, connection)


CatalogueDep = Annotated[Catalogue, Depends(read_catalogue)]


@router.get("/domains")
def list_domains(catalogue: CatalogueDep) -> schemas.DomainsView:
    """The 18 domains in the plan's order, departments named as the plan names them."""
    ordered = sorted(catalogue.domains.values(), key=lambda domain: domain.number)
    return schemas.DomainsView(
        catalogue_version=catalogue.version,
        domains=[_build_domain_view(domain, catalogue) for domain in ordered],
    )


@router.get("/departments")
def list_departments(catalogue: CatalogueDep) -> schemas.DepartmentsView:
    """Every body, with aliases, functions, level, parent and successor."""
    return schemas.DepartmentsView(
        catalogue_version=catalogue.version, departments=list(catalogue.departments.values())
    )


@router.get("/list-types")
def list_list_types(catalogue: CatalogueDep) -> schemas.ListTypesView:
    """Every list type: who issues it, its term and publication, its legal reference."""
    return schemas.ListTypesView(
        catalogue_version=catalogue.version, list_types=list(catalogue.list_types.values())
    )


@router.get("/matters")
def list_matters(catalogue: CatalogueDep) -> schemas.MattersView:
    """What an office may be deciding when it checks."""
    return schemas.MattersView(
        catalogue_version=catalogue.version, matters=list(catalogue.matters.values())
    )


@router.get("/measures")
def list_measures(catalogue: CatalogueDep) -> schemas.MeasuresView:
    """Rewards and punishments with their legal basis."""
    return schemas.MeasuresView(
        catalogue_version=catalogue.version,
        measures=list(catalogue.measures.values()),
        rules=list(catalogue.measure_rules.values()),
    )


@router.get("/repair-rules")
def list_repair_rules(catalogue: CatalogueDep) -> schemas.RepairRulesView:
    """How long an entry stands before repair, what must be proved, and how fast it is decided.

    A rule that names list types outweighs the general one, which names none; which one holds is
    settled by the day of the entry's decision.
    """
    return schemas.RepairRulesView(
        catalogue_version=catalogue.version, repair_rules=list(catalogue.repair_rules.values())
    )


def _build_domain_view(domain: Domain, catalogue: Catalogue) -> schemas.DomainView:
    return schemas.DomainView(
        code=domain.code,
        number=domain.number,
        name=domain.name,
        leads=_build_body_views(domain.leads),
        participants=_build_body_views(domain.participants),
        participants_open=domain.participants_open,
        legal_reference=domain.legal_reference,
        list_types=[
            schemas.ListTypeSummary(
                code=item.code,
                kind=item.kind,
                name=item.name,
                in_force=item.in_force,
                legal_reference=item.legal_reference,
                default_disclosure=item.default_disclosure,
            )
            for item in catalogue.list_types.values()
            if item.domain == domain.code
        ],
    )


def _build_body_views(bodies: tuple[PlannedBody, ...]) -> list[schemas.BodyView]:
    return [schemas.BodyView(code=body.department, name=body.named) for body in bodies]
